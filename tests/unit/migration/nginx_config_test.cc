#include "migration/nginx_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::migration {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(NginxConfig, HasDirectivesWithArgumentsAndBlocks) {
  const auto parsed = parse_nginx_config(
      "user nobody; # a comment; {\n"
      "mail {\n"
      "  auth_http_header X-Key \"a \\\"b\\\"\" ;\n"
      "  server{listen 143;}\n"
      "}\n");
  ASSERT_TRUE(parsed) << parsed.error();
  ASSERT_EQ(parsed->size(), 2U);
  const NginxDirective& mail = (*parsed)[1];
  EXPECT_EQ(mail.line, 2);
  EXPECT_THAT(mail.block[0].arguments, ElementsAre("X-Key", "a \"b\""));
  EXPECT_EQ(mail.block[1].block[0].name, "listen");
  EXPECT_EQ(mail.block[1].block[0].line, 4);
}

TEST(NginxConfig, SaysWhereItIsBroken) {
  const auto error = [](std::string_view text) { return parse_nginx_config(text).error(); };
  EXPECT_EQ(error("a;\nmail {\n"),
            "3: expected the name of a directive, found the end of the file");
  EXPECT_EQ(error("a b"), "1: expected ';' or '{' behind 'a', found the end of the file");
  EXPECT_EQ(error("a b }"), "1: expected ';' or '{' behind 'a', found '}'");
  EXPECT_EQ(error("}"), "1: expected the name of a directive, found '}'");
  EXPECT_EQ(error("\n a 'b"), "2: expected the end of a quoted word");
  std::string deep;
  for (int i = 0; i < 1000; ++i) {
    deep += "a {";
  }
  EXPECT_THAT(error(deep), HasSubstr("blocks at most 16 deep"));
}

TEST(NginxConfig, KnowsTimes) {
  EXPECT_EQ(parse_nginx_time("60s"), 60s);
  EXPECT_EQ(parse_nginx_time("1h30m"), 90min);
  EXPECT_EQ(parse_nginx_time("1d 2h"), 26h);
  EXPECT_EQ(parse_nginx_time("90"), 90s);
  EXPECT_EQ(parse_nginx_time("500ms"), 500ms);
  for (const char* text : {"", "s", "1x", "-1s", "1.5s", "99999999999999999999s", " "}) {
    EXPECT_FALSE(parse_nginx_time(text)) << text;
  }
}

}  // namespace
}  // namespace headgate::migration
