#include "migration/dovecot_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::migration {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

TEST(DovecotConfig, SettingsAndBlocksComeWithTheirLines) {
  const auto parsed = parse_dovecot_config(R"(# 2.3.19.1
listen = *   # everywhere
login_greeting = "Hello # there"
service imap-login {
  inet_listener imap {
    port=143
  }
  executable = imap-login director
}
!include_try local.conf
long = one \
   two
empty =
)");
  ASSERT_TRUE(parsed) << parsed.error();
  ASSERT_EQ(parsed->size(), 6U);
  EXPECT_EQ((*parsed)[0].key, "listen");
  EXPECT_EQ((*parsed)[0].value, "*");
  EXPECT_EQ((*parsed)[0].line, 2);
  EXPECT_EQ((*parsed)[1].value, "Hello # there");
  const DovecotSetting& service = (*parsed)[2];
  EXPECT_TRUE(service.is_block);
  EXPECT_EQ(service.value, "imap-login");
  ASSERT_EQ(service.block.size(), 2U);
  EXPECT_EQ(service.block[0].block[0].key, "port");
  EXPECT_EQ(service.block[0].block[0].value, "143");
  EXPECT_EQ(service.block[0].block[0].line, 6);
  EXPECT_EQ((*parsed)[3].key, "!include_try");
  EXPECT_EQ((*parsed)[3].value, "local.conf");
  EXPECT_EQ((*parsed)[4].value, "one two");
  EXPECT_EQ((*parsed)[4].line, 11);
  EXPECT_EQ((*parsed)[5].value, "");
}

TEST(DovecotConfig, ABrokenFileIsAnErrorWithItsLineAndNothingOfItsText) {
  for (const auto& [text, error] :
       {std::pair("a {\nb = 1\n", "2: expected '}', found the end of the file"),
        std::pair("a = 1\n}\n", "2: expected a setting, found '}'"),
        std::pair("a = 1\npassword secret\n", "2: expected KEY = VALUE, NAME { or }"),
        std::pair("= 1\n", "1: expected KEY = VALUE, NAME { or }")}) {
    const auto parsed = parse_dovecot_config(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error(), error);
  }
}

TEST(DovecotConfig, BlocksAreBoundedInDepthAndSettingsInNumber) {
  std::string deep;
  std::string many;
  for (std::size_t i = 0; i <= kDeepestDovecotBlock; ++i) {
    deep += "a {\n";
  }
  for (std::size_t i = 0; i <= kMostDovecotSettings; ++i) {
    many += "a = 1\n";
  }
  EXPECT_THAT(parse_dovecot_config(deep).error(), HasSubstr("17: expected blocks at most 16 deep"));
  EXPECT_THAT(parse_dovecot_config(many).error(), HasSubstr("at most 100000 settings"));
}

TEST(DovecotConfig, TimesHaveManyUnits) {
  EXPECT_EQ(parse_dovecot_time("15 min"), 15min);
  EXPECT_EQ(parse_dovecot_time("30s"), 30s);
  EXPECT_EQ(parse_dovecot_time("30 secs"), 30s);
  EXPECT_EQ(parse_dovecot_time("500 msecs"), 500ms);
  EXPECT_EQ(parse_dovecot_time("2 hours"), 2h);
  EXPECT_EQ(parse_dovecot_time("1d"), 24h);
  EXPECT_EQ(parse_dovecot_time("90"), 90s);
  for (const char* wrong : {"", "soon", "-1s", "1 fortnight", "99999999s"}) {
    EXPECT_FALSE(parse_dovecot_time(wrong)) << wrong;
  }
}

TEST(DovecotConfig, FieldsAreWordsWithOrWithoutAValue) {
  EXPECT_THAT(dovecot_fields("proxy=y  nopassword host=a=b\t"),
              ElementsAre(Pair("proxy", "y"), Pair("nopassword", ""), Pair("host", "a=b")));
}

TEST(DovecotVariables, StandForWhatASettingBeforeSays) {
  auto parsed = parse_dovecot_config(R"(name = one
other = $name two $SET:name
name = $name more
quoted = "$name"
text = a$name $ $! $name,x
block {
  name = inner
  sub {
    value = $name $other
  }
}
later = $name
)");
  ASSERT_TRUE(parsed);
  std::vector<std::string> unknown;
  expand_dovecot_variables(*parsed, [&](int line, const std::string& variable) {
    unknown.push_back(std::to_string(line) + " " + variable);
  });
  EXPECT_THAT(unknown, testing::IsEmpty());
  EXPECT_EQ((*parsed)[1].value, "one two one");
  EXPECT_EQ((*parsed)[2].value, "one more");
  EXPECT_EQ((*parsed)[3].value, "$name");
  EXPECT_EQ((*parsed)[4].value, "a$name $ $! $name,x");
  EXPECT_EQ((*parsed)[5].block[1].block[0].value, "inner one two one");
  EXPECT_EQ((*parsed)[6].value, "one more");
}

TEST(DovecotVariables, WhatIsNotKnownStaysAndIsNamed) {
  auto parsed = parse_dovecot_config("a = $b $ENV:HOME\nb = x\nc {\n d = y\n}\ne = $d\n");
  ASSERT_TRUE(parsed);
  std::vector<std::string> unknown;
  expand_dovecot_variables(*parsed, [&](int line, const std::string& variable) {
    unknown.push_back(std::to_string(line) + " " + variable);
  });
  EXPECT_THAT(unknown, testing::ElementsAre("1 $b", "1 $ENV:HOME", "6 $d"));
  EXPECT_EQ((*parsed)[0].value, "$b $ENV:HOME");
}

TEST(DovecotVariables, CannotMakeMuchOfLittle) {
  std::string text = "a = " + std::string(1000, 'x') + "\n";
  for (int i = 0; i < 1000; ++i) {
    text += "a = $a $a\n";
  }
  auto parsed = parse_dovecot_config(text);
  ASSERT_TRUE(parsed);
  std::size_t unknown = 0;
  expand_dovecot_variables(*parsed, [&](int, const std::string&) { ++unknown; });
  EXPECT_GT(unknown, 0U);
  std::size_t bytes = 0;
  for (const DovecotSetting& setting : *parsed) {
    bytes += setting.value.size();
  }
  EXPECT_LT(bytes, 2 * kMostDovecotExpanded);
}

}  // namespace
}  // namespace headgate::migration
