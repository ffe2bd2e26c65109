#include "sources/map_source.h"

#include <gtest/gtest.h>

#include "base/name_template.h"

namespace headgate::sources {
namespace {

class MapSourceTest : public testing::Test {
 protected:
  MapRule& add() { return rules_.emplace_back(); }
  MapRule& add_pattern(const char* pattern, const char* rewrite) {
    MapRule& rule = add();
    rule.pattern.emplace(pattern, std::regex::ECMAScript | std::regex::icase);
    rule.rewrite = rewrite;
    return rule;
  }
  auth::LookupResult ask(std::string_view user) {
    return MapSource(std::make_shared<const MapRules>(rules_)).explain(user);
  }
  // "NAME POOL BACKEND" of an accepted user.
  std::string route(std::string_view user) {
    const auth::LookupResult result = ask(user);
    if (!std::holds_alternative<auth::Accepted>(result)) {
      return "none";
    }
    const auth::Route& route = std::get<auth::Accepted>(result).route;
    EXPECT_FALSE(route.use_master);
    return route.user + " " + route.pool.value_or("-") + " " +
           (route.backend ? route.backend->to_string() : "-");
  }

  std::vector<MapRule> rules_;
};

TEST_F(MapSourceTest, TheFirstRuleThatMatchesDecides) {
  MapRule& alice = add();
  alice.user = "alice@example.org";
  alice.backend = HostPort{"mail1", 143};
  MapRule& domain = add();
  domain.domain = "example.org";
  domain.pool = "west";
  domain.rewrite = "{local_part}";
  EXPECT_EQ(route("Alice@Example.org"), "Alice@Example.org - mail1:143");
  EXPECT_EQ(route("bob@EXAMPLE.ORG"), "bob west -");
  EXPECT_EQ(route("a@b@example.org"), "a@b west -");
  EXPECT_EQ(route("bob@sub.example.org"), "none");
  EXPECT_EQ(route("example.org"), "none");
  EXPECT_TRUE(std::holds_alternative<auth::Rejected>(ask("@example.org")))
      << "rewritten to nothing";
}

TEST_F(MapSourceTest, TheOrderOfNamesDomainsAndPatternsDecides) {
  add_pattern("a.*", "first");
  add().user = "bob@example.org";
  rules_.back().rewrite = "second";
  add().domain = "example.org";
  rules_.back().rewrite = "third";
  add_pattern(".*", "fourth");
  add().user = "carol";
  rules_.back().rewrite = "never";
  add().user = "bob@example.org";
  rules_.back().rewrite = "never";
  EXPECT_EQ(route("alice@example.org"), "first - -");
  EXPECT_EQ(route("Bob@example.org"), "second - -");
  EXPECT_EQ(route("dave@example.org"), "third - -");
  EXPECT_EQ(route("carol"), "fourth - -");
}

TEST_F(MapSourceTest, GroupsOfAPatternMakeTheNameAndNothingInANameIsATemplate) {
  add_pattern("(.+)%(.+)", "{1}@{2}");
  add_pattern("old-(.*)", "{user}/{domain}/{1}");
  EXPECT_EQ(route("alice%example.org"), "alice@example.org - -");
  EXPECT_EQ(route("{2}%{user}"), "{2}@{user} - -");
  EXPECT_EQ(route("OLD-x@y"), "OLD-x@y/y/x@y - -");
  EXPECT_TRUE(std::holds_alternative<auth::Rejected>(ask(std::string(513, 'x'))));
}

TEST(NameTemplate, OnlyKnownPlaceholdersAndGroupsThatExistAreTaken) {
  for (const char* good : {"", "x", "{user}", "{local_part}@{domain}", "{1}-{2}"}) {
    EXPECT_TRUE(is_name_template(good, 2)) << good;
  }
  for (const char* bad :
       {"{", "}", "{}", "{user", "user}", "{usr}", "{0}", "{3}", "{12}", "{{1}}"}) {
    EXPECT_FALSE(is_name_template(bad, 2)) << bad;
  }
}

}  // namespace
}  // namespace headgate::sources
