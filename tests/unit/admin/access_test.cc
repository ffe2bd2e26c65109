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
  auto check(std::string_view authorization, TokenRole needed, Via via = Via::kLoopback) {
    Request request;
    request.method = "POST";
    request.authorization = authorization;
    request.peer = "192.0.2.1";
    request.via = via;
    return Access(tokens_).check(request, needed);
  }
  std::vector<config::AdminToken> tokens_;
};

TEST_F(AccessTest, WithoutTokensALoopbackAddressCanBeReadAndNothingChanged) {
  EXPECT_TRUE(check("", TokenRole::kRead));
  EXPECT_EQ(check("", TokenRole::kOperator).error().status, 403);
  EXPECT_THAT(check("", TokenRole::kOperator).error().body, HasSubstr("admin.tokens"));
  EXPECT_EQ(check("", TokenRole::kRead, Via::kNetwork).error().status, 403);
}

TEST_F(AccessTest, WithTokensEveryCallNeedsOneOfItsRole) {
  add("dashboard", TokenRole::kRead, "read-read-read-read");
  add("alice", TokenRole::kOperator, "change-change-change");
  EXPECT_EQ(check("Bearer change-change-change", TokenRole::kOperator)->token, "alice");
  EXPECT_EQ(check("bearer change-change-change", TokenRole::kRead)->address, "192.0.2.1");
  EXPECT_EQ(check("Bearer read-read-read-read", TokenRole::kRead, Via::kNetwork)->token,
            "dashboard");
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

TEST_F(AccessTest, WhoeverReachesAUnixSocketMayDoEverything) {
  for (const TokenRole role : {TokenRole::kRead, TokenRole::kOperator}) {
    const auto caller = check("", role, Via::kUnixSocket);
    ASSERT_TRUE(caller);
    EXPECT_EQ(caller->token, "");
    EXPECT_EQ(caller->name(), "192.0.2.1");
    EXPECT_TRUE(check("Bearer of-no-use-here-now", role, Via::kUnixSocket));
  }
  add("alice", TokenRole::kOperator, "change-change-change");
  EXPECT_TRUE(check("", TokenRole::kOperator, Via::kUnixSocket));
}

TEST_F(AccessTest, ATokenThatIsSentCountsAtAUnixSocketToo) {
  add("alice", TokenRole::kOperator, "change-change-change");
  add("dashboard", TokenRole::kRead, "read-read-read-read");
  const auto alice = check("Bearer change-change-change", TokenRole::kOperator, Via::kUnixSocket);
  ASSERT_TRUE(alice);
  EXPECT_EQ(alice->name(), "alice");
  EXPECT_EQ(
      check("Bearer read-read-read-read", TokenRole::kOperator, Via::kUnixSocket).error().status,
      403);
  EXPECT_EQ(check("Bearer another-another-one", TokenRole::kRead, Via::kUnixSocket).error().status,
            401);
}

}  // namespace
}  // namespace headgate::admin
