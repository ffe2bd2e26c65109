#include "admin/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::admin {
namespace {

using config::TokenRole;
using testing::HasSubstr;

class AccessTest : public testing::Test {
 protected:
  void add(std::string name, TokenRole role, std::string_view token) {
    tokens_.push_back({.name = std::move(name), .role = role, .token = Secret(token)});
  }
  auto check(std::string_view authorization, TokenRole needed,
             std::string_view address = "127.0.0.1:9143") {
    Request request;
    request.method = "POST";
    request.authorization = authorization;
    request.peer = "192.0.2.1";
    return Access(tokens_, Endpoint::parse(address).value()).check(request, needed);
  }
  std::vector<config::AdminToken> tokens_;
};

TEST_F(AccessTest, WithoutTokensALoopbackAddressCanBeReadAndNothingChanged) {
  EXPECT_TRUE(check("", TokenRole::kRead));
  EXPECT_TRUE(check("", TokenRole::kRead, "[::1]:9143"));
  EXPECT_EQ(check("", TokenRole::kOperator).error().status, 403);
  EXPECT_THAT(check("", TokenRole::kOperator).error().body, HasSubstr("admin.tokens"));
  for (const char* address : {"0.0.0.0:9143", "192.0.2.1:9143", "[2001:db8::1]:9143"}) {
    EXPECT_EQ(check("", TokenRole::kRead, address).error().status, 403) << address;
  }
}

TEST_F(AccessTest, WithTokensEveryCallNeedsOneOfItsRole) {
  add("dashboard", TokenRole::kRead, "read-read-read-read");
  add("alice", TokenRole::kOperator, "change-change-change");
  EXPECT_EQ(check("Bearer change-change-change", TokenRole::kOperator)->token, "alice");
  EXPECT_EQ(check("bearer change-change-change", TokenRole::kRead)->address, "192.0.2.1");
  EXPECT_EQ(check("Bearer read-read-read-read", TokenRole::kRead, "0.0.0.0:1")->token, "dashboard");
  EXPECT_EQ(check("Bearer read-read-read-read", TokenRole::kOperator).error().status, 403);
}

TEST_F(AccessTest, NoTokenOrAnotherOneIsRefusedWithTheScheme) {
  add("alice", TokenRole::kOperator, "change-change-change");
  for (const char* header :
       {"", "Bearer ", "Bearer change-change-chang", "Bearer change-change-changeX",
        "change-change-change", "Basic change-change-change", "Bearer"}) {
    const auto refused = check(header, TokenRole::kRead);
    ASSERT_FALSE(refused) << header;
    EXPECT_EQ(refused.error().status, 401) << header;
    EXPECT_THAT(refused.error().headers, HasSubstr("WWW-Authenticate: Bearer"));
  }
}

}  // namespace
}  // namespace headgate::admin
