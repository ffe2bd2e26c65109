#include "config/map_file.h"

#include <gtest/gtest.h>

#include "config/pattern.h"

namespace headgate::config {
namespace {

std::vector<MapRule> rules_of(std::string_view text) {
  auto rules = parse_map_file(text);
  if (!rules) {
    ADD_FAILURE() << rules.error().front().line << ": " << rules.error().front().expected;
    return {};
  }
  return *std::move(rules);
}

// "LINE: expected" of all errors, one a line.
std::string errors_of(std::string_view text) {
  const auto rules = parse_map_file(text);
  std::string all;
  if (!rules) {
    for (const MapFileError& error : rules.error()) {
      all += std::to_string(error.line) + ": " + error.expected + "\n";
    }
  }
  return all;
}

TEST(MapFile, ARuleIsALine) {
  const auto rules = rules_of(
      "# who                 where\n"
      "Alice@Example.org     backend=mail1.example.org:143\r\n"
      "\n"
      "@Example.NET\tpool=legacy rewrite={local_part}\n"
      "  /(.+)%(.+)/         rewrite={1}@{2}\n"
      "bob");
  ASSERT_EQ(rules.size(), 4U);
  EXPECT_EQ(rules[0].user, "alice@example.org");
  EXPECT_EQ(rules[0].backend->to_string(), "mail1.example.org:143");
  EXPECT_EQ(rules[0].line, 2);
  EXPECT_EQ(rules[1].domain, "example.net");
  EXPECT_EQ(rules[1].pool, "legacy");
  EXPECT_EQ(rules[1].rewrite, "{local_part}");
  EXPECT_EQ(rules[2].pattern, "(.+)%(.+)");
  EXPECT_EQ(rules[2].rewrite, "{1}@{2}");
  EXPECT_EQ(rules[3].user, "bob");
  EXPECT_EQ(rules[3].line, 6);
}

TEST(MapFile, EveryWrongLineIsNamed) {
  EXPECT_EQ(errors_of("a pool=x pool=y\n"
                      "b backend=mail1\n"
                      "c whatever\n"
                      "@ pool=x\n"
                      "/(/ pool=x\n"
                      "/a pool=x\n"
                      "d rewrite={1}\n"
                      "/(.)/ rewrite={2}\n"
                      "e pool=a/b\n"
                      "f\n"
                      "F\n"
                      "@x.org\n"
                      "@X.org\n"),
            "1: pool once\n"
            "2: pool=NAME, backend=HOST:PORT or rewrite=NAME, found 'backend=mail1'\n"
            "3: pool=NAME, backend=HOST:PORT or rewrite=NAME, found 'whatever'\n"
            "4: a domain behind '@', for example @example.org\n"
            "5: " +
                compile_pattern("(").error() +
                "\n"
                "6: a regular expression between two '/', without white space in it\n"
                "7: {user}, {local_part}, {domain} or a group of the pattern, {1} to {0}, as all "
                "that stands in braces\n"
                "8: {user}, {local_part}, {domain} or a group of the pattern, {1} to {1}, as all "
                "that stands in braces\n"
                "9: pool=NAME, backend=HOST:PORT or rewrite=NAME, found 'pool=a/b'\n"
                "11: another user name, found 'f' again, which line 10 has\n"
                "13: another domain, found 'x.org' again, which line 12 has\n");
}

TEST(MapFile, AFileWithoutRulesIsAnError) {
  EXPECT_EQ(errors_of(""), "1: at least one rule\n");
  EXPECT_EQ(errors_of("# none\n\n"), "2: at least one rule\n");
}

TEST(MapFile, LinesRulesPatternsAndErrorsAreBounded) {
  EXPECT_EQ(errors_of(std::string(5000, 'a')), "1: a line of at most 4096 bytes\n");
  EXPECT_EQ(errors_of(std::string(600, 'a')), "1: a user name of at most 512 bytes\n");
  EXPECT_EQ(errors_of("a\x01"), "1: a line without control characters\n");
  std::string wrong;
  std::string patterns;
  std::string rules;
  for (std::size_t i = 0; i < 100; ++i) {
    wrong += "a wrong\n";
  }
  for (std::size_t i = 0; i <= kMostMapPatterns; ++i) {
    patterns += "/x/\n";
  }
  for (std::size_t i = 0; i <= kMostMapRules; ++i) {
    rules += "user" + std::to_string(i) + "\n";
  }
  EXPECT_EQ(parse_map_file(wrong).error().size(), kMostMapErrors);
  EXPECT_EQ(errors_of(patterns), "1001: at most 1000 regular expressions\n");
  EXPECT_EQ(errors_of(rules), "250001: at most 250000 rules\n");
}

}  // namespace
}  // namespace headgate::config
