#include "sources/passwd_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::sources {
namespace {

using testing::HasSubstr;
using testing::Not;

PasswdTable parsed(std::string_view text) {
  auto table = PasswdTable::parse(text);
  if (!table) {
    ADD_FAILURE() << table.error().front().line << ": " << table.error().front().what;
    return {};
  }
  return *std::move(table);
}

TEST(PasswdTable, ADovecotFileIsReadAsDovecotReadsIt) {
  const PasswdTable table = parsed(
      "# users\n"
      "\n"
      "alice@example.org:{PLAIN}one\n"
      "bob:{PLAIN}two:1000:1000:Bob = the builder:/home/bob:/bin/sh:pool=west  "
      "backend=mail1.example.org:993 backend_user=bob@internal userdb_quota_rule=*:storage=1G\r\n"
      "carol:{PLAIN}three::::::\n"
      "dora:{PLAIN}four:pool=east backend=[::1]:143");
  EXPECT_EQ(table.size(), 4U);
  const PasswdEntry* alice = table.find("alice@example.org");
  ASSERT_NE(alice, nullptr);
  EXPECT_EQ(alice->line, 3);
  EXPECT_EQ(alice->route.user, "alice@example.org");
  EXPECT_EQ(alice->route.pool, std::nullopt);
  EXPECT_EQ(alice->route.backend, std::nullopt);
  EXPECT_TRUE(alice->route.use_master);
  EXPECT_TRUE(alice->hash.matches(Secret("one")));

  const PasswdEntry* bob = table.find("bob");
  ASSERT_NE(bob, nullptr);
  EXPECT_EQ(bob->route.user, "bob@internal");
  EXPECT_EQ(bob->route.pool, "west");
  EXPECT_EQ(bob->route.backend, (HostPort{"mail1.example.org", 993}));
  EXPECT_TRUE(bob->hash.matches(Secret("two")));

  ASSERT_NE(table.find("carol"), nullptr);
  const PasswdEntry* dora = table.find("dora");
  ASSERT_NE(dora, nullptr);
  EXPECT_EQ(dora->route.pool, "east");
  EXPECT_EQ(dora->route.backend, (HostPort{"::1", 143}));
  EXPECT_EQ(table.find("erin"), nullptr);
  EXPECT_EQ(table.find(""), nullptr);
}

TEST(PasswdTable, TheCaseOfAUserNameDoesNotMatter) {
  const PasswdTable table = parsed("Alice@Example.org:{PLAIN}x\n");
  const PasswdEntry* alice = table.find("aLICE@example.ORG");
  ASSERT_NE(alice, nullptr);
  EXPECT_EQ(alice->route.user, "Alice@Example.org");  // the file's spelling goes to the backend
}

struct Broken {
  const char* text;
  int line;
  const char* what;
};

class BrokenPasswd : public testing::TestWithParam<Broken> {};

TEST_P(BrokenPasswd, IsRefusedWithItsLine) {
  const auto table = PasswdTable::parse(GetParam().text);
  ASSERT_FALSE(table.has_value());
  EXPECT_EQ(table.error().front().line, GetParam().line);
  EXPECT_THAT(table.error().front().what, HasSubstr(GetParam().what));
  EXPECT_THAT(table.error().front().what, Not(HasSubstr("secret")));
}

INSTANTIATE_TEST_SUITE_P(
    Files, BrokenPasswd,
    testing::Values(Broken{"a:{PLAIN}x\nb:{NONSENSE}secret\n", 2, "expected a crypt(3) hash"},
                    Broken{"\n# x\nb:secret\n", 3, "expected a crypt(3) hash"},
                    Broken{"alice\n", 1, "found nothing"},
                    Broken{":{PLAIN}secret\n", 1, "no user name"},
                    Broken{"a:{PLAIN}x\nA:{PLAIN}y\n", 2, "'A' stands in line 1 too"},
                    Broken{"a:{PLAIN}x:pool=\n", 1, "value behind pool="},
                    Broken{"a:{PLAIN}x:pool=p nologin=y\n", 1, "found 'nologin'"},
                    Broken{"a:{PLAIN}x::::::allow_nets=10.0.0.0/8\n", 1, "found 'allow_nets'"},
                    Broken{"a:{PLAIN}x:backend=mail1\n", 1, "backend:"},
                    Broken{"a\x01:{PLAIN}x\n", 1, "UTF-8"},
                    Broken{"a\xFF:{PLAIN}x\n", 1, "UTF-8"}));

TEST(PasswdTable, ALineMayHoldALimitAndWhatIsForwarded) {
  const PasswdTable table =
      parsed("alice:{PLAIN}x:max_sessions=2 forward_tier=gold forward_cell=b2\nbob:{PLAIN}x");
  const auth::Route& route = table.find("alice")->route;
  EXPECT_EQ(route.max_sessions, 2U);
  ASSERT_EQ(route.forward.size(), 2U);
  EXPECT_EQ(route.forward[0].key, "tier");
  EXPECT_EQ(route.forward[0].value, "gold");
  EXPECT_EQ(route.forward[1].key, "cell");
  EXPECT_EQ(table.find("bob")->route.max_sessions, std::nullopt);
  for (const auto& [extra, expected] :
       {std::pair("max_sessions=-1", "expected a whole number from 0 to 10000000"),
        std::pair("max_sessions=", "expected a value behind max_sessions="),
        std::pair("forward_=x", "letters, digits"), std::pair("app=x max_sessions=1", "app= alone"),
        std::pair("app=x forward_tier=gold", "app= alone")}) {
    const auto broken = PasswdTable::parse("alice:{PLAIN}x\nalice:{PLAIN}y:" + std::string(extra));
    ASSERT_FALSE(broken) << extra;
    EXPECT_THAT(broken.error().front().what, HasSubstr(expected)) << extra;
  }
}

TEST(PasswdTable, ALineHasALimit) {
  const std::string name(PasswdTable::kLongestLine, 'a');
  const auto table = PasswdTable::parse(name + ":{PLAIN}x\n");
  ASSERT_FALSE(table.has_value());
  EXPECT_THAT(table.error().front().what, HasSubstr("at most 8192 bytes"));
}

TEST(PasswdTable, AllErrorsAreNamedUpToABound) {
  std::string text;
  for (int line = 0; line < 100; ++line) {
    text += "broken\n";
  }
  const auto table = PasswdTable::parse(text);
  ASSERT_FALSE(table.has_value());
  EXPECT_EQ(table.error().size(), PasswdTable::kMostErrors);
  EXPECT_EQ(table.error()[4].line, 5);
}

TEST(PasswdTable, TheTypicalHashIsOfTheMostCommonCost) {
  const PasswdTable table = parsed(
      "a:$6$saltstring$abc\nb:$2b$12$abcdefghijklmnopqrstuu\nc:$6$othersalt$def\nd:*\ne:*\nf:*\n"
      "g:$6$rounds=9000$x$y\n");
  ASSERT_NE(table.typical_hash(), nullptr);
  EXPECT_EQ(table.typical_hash()->cost_class(), "$6$");
  EXPECT_EQ(parsed("").typical_hash(), nullptr);
  EXPECT_EQ(parsed("a:*\n").typical_hash(), nullptr);
}

TEST(PasswdTable, LinesWithALabelAreApplicationPasswordsOfTheUser) {
  const PasswdTable table = parsed(
      "ALICE:{PLAIN}two:app=phone\n"
      "alice:{PLAIN}one:pool=west\n"
      "alice:{PLAIN}three:app=laptop\n"
      "bob:!{PLAIN}one\n"
      "bob:{PLAIN}two:app=phone\n");
  EXPECT_EQ(table.size(), 2U);
  const PasswdEntry* alice = table.find("alice");
  ASSERT_NE(alice, nullptr);
  EXPECT_EQ(alice->route.pool, "west");
  EXPECT_FALSE(alice->locked);
  ASSERT_EQ(alice->apps.size(), 2U);
  EXPECT_EQ(alice->apps[0].label, "phone");
  EXPECT_TRUE(alice->apps[0].hash.matches(Secret("two")));
  EXPECT_EQ(alice->apps[1].label, "laptop");
  ASSERT_NE(table.find("bob"), nullptr);
  EXPECT_TRUE(table.find("bob")->locked);
}

TEST(PasswdTable, AUsersLineMayHoldTheSecretOfAnAuthenticator) {
  const PasswdTable table = parsed("alice:{PLAIN}x:totp=JBSWY3DPEHPK3PXP pool=west\n");
  ASSERT_NE(table.find("alice"), nullptr);
  EXPECT_TRUE(table.find("alice")->totp.has_value());
  const auto broken = PasswdTable::parse("alice:{PLAIN}x:totp=0189\n");
  ASSERT_FALSE(broken);
  EXPECT_THAT(broken.error().front().what, HasSubstr("totp: expected base32"));
}

TEST(PasswdTable, AnApplicationPasswordThatMakesNoSenseIsRefused) {
  const auto error_of = [](std::string_view text) {
    const auto table = PasswdTable::parse(text);
    return table ? std::string("none") : table.error().front().what;
  };
  EXPECT_THAT(error_of("alice:{PLAIN}x:app=phone\n"), HasSubstr("expected a line of 'alice'"));
  EXPECT_THAT(error_of("a:{PLAIN}x\na:{PLAIN}y:app=p\na:{PLAIN}z:app=p\n"), HasSubstr("'p' again"));
  EXPECT_THAT(error_of("a:{PLAIN}x\na:{PLAIN}y:app=p pool=west\n"), HasSubstr("app= alone"));
  EXPECT_THAT(error_of("a:{PLAIN}x\na:{PLAIN}y:app=" + std::string(65, 'p')),
              HasSubstr("at most 64 bytes"));
  EXPECT_THAT(error_of("a:{PLAIN}x\na:{PLAIN}y\n"), HasSubstr("each user once"));
  std::string many = "a:{PLAIN}x\n";
  for (int i = 0; i < 15; ++i) {
    many += "a:{PLAIN}y:app=" + std::to_string(i) + "\n";
  }
  EXPECT_EQ(error_of(many), "none");
  EXPECT_THAT(error_of(many + "a:{PLAIN}y:app=more\n"), HasSubstr("at most 16 passwords"));
}

}  // namespace
}  // namespace headgate::sources
