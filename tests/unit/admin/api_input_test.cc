#include "admin/api_input.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::admin {
namespace {

using testing::HasSubstr;
using What = BackendChange::What;

TEST(ReadSessionQuery, EveryFilterIsUnderstood) {
  const auto query = read_session_query({{"user", "Alice@Example.ORG"},
                                         {"pattern", "*@Example.org"},
                                         {"client", "192.0.2.0/24"},
                                         {"backend", "[::1]:143"},
                                         {"pool", "main"},
                                         {"listener", "imaps"},
                                         {"phase", "relay"},
                                         {"state", "open/open"},
                                         {"session", "00000000000000ff"},
                                         {"limit", "1000"},
                                         {"cursor", "0123456789abcdef"}});
  ASSERT_TRUE(query) << query.error();
  EXPECT_EQ(query->filter.user, "alice@example.org");
  EXPECT_EQ(query->filter.pattern, "*@example.org");
  EXPECT_EQ(query->filter.client->to_string(), "192.0.2.0/24");
  EXPECT_EQ(query->filter.backend->to_string(), "[::1]:143");
  EXPECT_EQ(query->filter.session, 255U);
  EXPECT_EQ(query->limit, 1000U);
  EXPECT_EQ(query->after, 0x0123456789abcdefU);
  EXPECT_EQ(id_text(*query->after), "0123456789abcdef");
}

TEST(ReadSessionQuery, WhatIsNotUnderstoodIsRefusedByName) {
  for (const auto& [name, value] :
       {std::pair("limit", "0"), std::pair("limit", "1001"), std::pair("limit", "10x"),
        std::pair("limit", "-1"), std::pair("cursor", "12"), std::pair("session", "xyz"),
        std::pair("client", "300.1.1.1"), std::pair("backend", "nowhere"), std::pair("user", ""),
        std::pair("usr", "alice")}) {
    const auto query = read_session_query({{name, value}});
    ASSERT_FALSE(query) << name << "=" << value;
    EXPECT_THAT(query.error(), HasSubstr(name));
  }
}

TEST(ReadKick, TakesTheSameFiltersAndNeverNone) {
  EXPECT_EQ(read_kick(R"({"user":"Bob"})")->user, "bob");
  EXPECT_TRUE(read_kick(R"({"client":"192.0.2.7"})")->client);
  for (const char* body : {"", "{}", "[]", "null", "{", R"({"user":1})", R"({"limit":"1"})",
                           R"({"user":""})", R"({"user":"a"} x)"}) {
    EXPECT_FALSE(read_kick(body).has_value()) << body;
  }
  EXPECT_FALSE(read_kick(std::string(60'000, '[')).has_value());
}

TEST(ReadChange, DrainMayMoveAndHaveARate) {
  EXPECT_EQ(read_change(What::kDrain, "")->what, What::kDrain);
  EXPECT_EQ(read_change(What::kDrain, R"({"move":false})")->what, What::kDrain);
  const auto moved = read_change(What::kDrain, R"({"rate":20,"move":true})");
  EXPECT_EQ(moved->what, What::kMove);
  EXPECT_EQ(moved->rate, 20U);
  EXPECT_EQ(read_change(What::kDisable, R"({"rate":100000})")->rate, 100'000U);
}

TEST(ReadChange, WeightIsANumberOrNull) {
  EXPECT_EQ(read_change(What::kWeight, R"({"weight":0})")->weight, 0U);
  EXPECT_EQ(read_change(What::kWeight, R"({"weight":null})")->weight, std::nullopt);
}

TEST(ReadChange, WhatDoesNotBelongThereIsRefused) {
  for (const auto& [what, body] :
       {std::pair(What::kDrain, R"({"rate":5})"), std::pair(What::kDrain, R"({"move":1})"),
        std::pair(What::kDrain, R"({"weight":5})"), std::pair(What::kDisable, R"({"move":true})"),
        std::pair(What::kDisable, R"({"rate":0})"), std::pair(What::kDisable, R"({"rate":100001})"),
        std::pair(What::kDisable, R"({"rate":-5})"), std::pair(What::kDisable, R"({"rate":1.5})"),
        std::pair(What::kEnable, R"({"rate":5})"), std::pair(What::kWeight, "{}"),
        std::pair(What::kWeight, R"({"weight":"5"})"),
        std::pair(What::kWeight, R"({"weight":10001})"),
        std::pair(What::kWeight, R"({"weight":99999999999999999999})"),
        std::pair(What::kEnable, "nonsense")}) {
    EXPECT_FALSE(read_change(what, body).has_value()) << body;
  }
}

}  // namespace
}  // namespace headgate::admin
