#include "admin/request_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::admin {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Optional;
using testing::Pair;

TEST(SplitTarget, DecodesThePathAndLeavesTheQueryAsItIs) {
  const auto parts = split_target("/who/J%c3%bcrgen+a%2F?user=a%40b?c");
  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->path, "/who/J\xC3\xBCrgen+a/");
  EXPECT_EQ(parts->query, "user=a%40b?c");
  EXPECT_EQ(split_target("/metrics")->query, "");
}

TEST(SplitTarget, TakesTheFormWithAHost) {
  EXPECT_EQ(split_target("http://127.0.0.1:9143/metrics?x")->path, "/metrics");
  EXPECT_EQ(split_target("http://127.0.0.1:9143/metrics?x")->query, "x");
  EXPECT_EQ(split_target("http://host")->path, "");
}

TEST(SplitTarget, WhatIsNotEncodedWellOrHidesAControlCharacterIsRefused) {
  for (const char* target : {"/%", "/%4", "/%zz", "/metrics%00", "/a%0d%0ab", "/a\tb"}) {
    EXPECT_FALSE(split_target(target)) << target;
  }
}

TEST(MatchPath, WithoutBracesThePathMustBeThePattern) {
  EXPECT_THAT(match_path("/api/v1/status", "/api/v1/status"), Optional(IsEmpty()));
  for (const char* other :
       {"/api/v1/statu", "/api/v1/status/", "/api/v1", "", "/", "/API/v1/status"}) {
    EXPECT_EQ(match_path("/api/v1/status", other), std::nullopt) << other;
  }
}

TEST(MatchPath, ASegmentInBracesStandsForAnyOneThatIsNotEmpty) {
  EXPECT_THAT(match_path("/b/{pool}/{backend}/drain", "/b/main/[::1]:143/drain"),
              Optional(ElementsAre("main", "[::1]:143")));
  for (const char* other :
       {"/b//x:1/drain", "/b/main/drain", "/b/main/x/y/drain", "/b/main/x:1/"}) {
    EXPECT_EQ(match_path("/b/{pool}/{backend}/drain", other), std::nullopt) << other;
  }
}

TEST(ParseQuery, NamesAndValuesAreDecoded) {
  EXPECT_THAT(
      parse_query("user=a%40b+c&limit=10&empty=&bare").value(),
      ElementsAre(Pair("bare", ""), Pair("empty", ""), Pair("limit", "10"), Pair("user", "a@b c")));
  EXPECT_THAT(parse_query("").value(), IsEmpty());
}

TEST(ParseQuery, WhatCannotBeMeantIsRefused) {
  for (const char* query : {"user=%00", "user=%0a", "user=%zz", "user=%4", "a%01=b"}) {
    EXPECT_FALSE(parse_query(query).has_value()) << query;
  }
  EXPECT_THAT(parse_query("a=1&a=2").error(), HasSubstr("'a' again"));
}

}  // namespace
}  // namespace headgate::admin
