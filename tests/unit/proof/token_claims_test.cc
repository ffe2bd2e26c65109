#include "proof/token_claims.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace headgate::proof {
namespace {

using dialogue::LoginFailure;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::int64_t kNow = 1'700'000'000;

TokenRules rules() {
  return {.issuers = {"https://a", "https://b"}, .audience = {"imap", "mail"}};
}

TokenClaims good() {
  return {.issuer = "https://b",
          .audience = {"other", "imap"},
          .expires = kNow + 60,
          .user = "alice@example.org"};
}

std::string why(const TokenClaims& claims, const TokenRules& wanted = rules(),
                std::string_view named = "alice@example.org") {
  const auto fault = fault_of(claims, wanted, named, kNow, true);
  return fault ? fault->why : "";
}

TEST(TokenClaims, AreReadFromAPayload) {
  const auto claims = TokenClaims::parse(
      R"({"iss":"https://a","aud":["x","y"],"scope":"imap  mail","exp":17.9,"nbf":5,
          "sub":"42","email":"alice@example.org","other":{"deep":[1]}})",
      "sub");
  ASSERT_TRUE(claims.has_value()) << claims.error();
  EXPECT_EQ(claims->issuer, "https://a");
  EXPECT_THAT(claims->audience, ElementsAre("x", "y"));
  EXPECT_THAT(claims->scopes, ElementsAre("imap", "mail"));
  EXPECT_EQ(claims->expires, 17);
  EXPECT_EQ(claims->not_before, 5);
  EXPECT_EQ(claims->user, "42");
  EXPECT_FALSE(claims->active);
}

TEST(TokenClaims, AudienceIsOneStringAndScopesMayBeAList) {
  const auto claims =
      TokenClaims::parse(R"({"aud":"two words","scp":["a","b c"],"active":true})", "email");
  ASSERT_TRUE(claims.has_value());
  EXPECT_THAT(claims->audience, ElementsAre("two words"));
  EXPECT_THAT(claims->scopes, ElementsAre("a", "b c"));
  EXPECT_TRUE(claims->active);
  EXPECT_EQ(claims->user, "");
}

TEST(TokenClaims, AMemberOfAnotherTypeIsAnError) {
  for (const std::string text :
       {"", "[]", "\"x\"", "{", R"({"iss":1})", R"({"aud":{}})", R"({"aud":[1]})",
        R"({"exp":"17"})", R"({"exp":-1})", R"({"exp":1e300})", R"({"nbf":true})",
        R"({"active":"true"})", R"({"email":["alice"]})", R"({"scope":5})"}) {
    EXPECT_FALSE(TokenClaims::parse(text, "email").has_value()) << text;
  }
  EXPECT_EQ(TokenClaims::parse(R"({"exp":"17"})", "email").error(),
            "expected a time in seconds as exp");
}

TEST(TokenClaims, AnAddressThatTheIssuerHasNotVerifiedIsNoUser) {
  EXPECT_EQ(TokenClaims::parse(R"({"email":"a@b","email_verified":true})", "email")->user, "a@b");
  EXPECT_EQ(TokenClaims::parse(R"({"email":"a@b","email_verified":false})", "email")->user, "");
  EXPECT_EQ(TokenClaims::parse(R"({"email":"a@b","email_verified":"?"})", "email")->user, "");
  EXPECT_EQ(TokenClaims::parse(R"({"sub":"a","email_verified":false})", "sub")->user, "a");
}

TEST(FaultOf, NothingIsWrongWithAGoodToken) {
  EXPECT_EQ(why(good()), "");
  EXPECT_EQ(why(good(), rules(), "ALICE@Example.org"), "");
  EXPECT_EQ(why(good(), rules(), ""), "") << "OAUTHBEARER may name nobody";
  EXPECT_EQ(why(good(), {}), "");
}

TEST(FaultOf, TimesHaveALeeway) {
  TokenClaims claims = good();
  claims.expires = kNow - 29;
  claims.not_before = kNow + 30;
  EXPECT_EQ(why(claims), "");
  claims.expires = kNow - 30;
  EXPECT_EQ(why(claims), "the token ended 30 s ago");
  claims = good();
  claims.not_before = kNow + 31;
  EXPECT_EQ(why(claims), "the token begins in 31 s");
}

TEST(FaultOf, ASignedTokenMustEnd) {
  TokenClaims claims = good();
  claims.expires.reset();
  EXPECT_EQ(why(claims), "the token has no end (exp)");
  EXPECT_FALSE(fault_of(claims, rules(), "", kNow, false).has_value());
}

TEST(FaultOf, IssuerAudienceAndScopesMustBeThoseAskedFor) {
  TokenClaims claims = good();
  claims.issuer = "https://c\n";
  EXPECT_EQ(why(claims), R"(the token is from 'https://c\x0a')");
  claims = good();
  claims.audience = {"web"};
  EXPECT_EQ(why(claims), "the token is for 'web'");
  claims.audience.clear();
  EXPECT_EQ(why(claims), "the token is for ''");
  claims = good();
  TokenRules scoped = rules();
  scoped.scopes = {"imap", "mail"};
  claims.scopes = {"mail", "imap", "more"};
  EXPECT_EQ(why(claims, scoped), "");
  claims.scopes = {"mail"};
  EXPECT_EQ(why(claims, scoped), "the token lacks the scope 'imap'");
  EXPECT_EQ(fault_of(claims, scoped, "", kNow, true)->failure, LoginFailure::kAuthorizationRefused);
}

TEST(FaultOf, TheUserMustBeTheOneWhoWasNamed) {
  const auto fault = fault_of(good(), rules(), "bob@example.org", kNow, true);
  ASSERT_TRUE(fault.has_value());
  EXPECT_EQ(fault->failure, LoginFailure::kAuthorizationRefused);
  EXPECT_EQ(fault->why, "the token is of alice@example.org");
  TokenRules lax = rules();
  lax.match_user = false;
  EXPECT_EQ(why(good(), lax, "bob@example.org"), "");
}

TEST(FaultOf, ATokenMustNameAUserThatCanBeOne) {
  TokenClaims claims = good();
  const std::string too_long(513, 'x');
  for (const std::string& name : {std::string(), std::string("a\r\nb"), too_long}) {
    claims.user = name;
    EXPECT_THAT(why(claims, rules(), ""), HasSubstr("names no user in email")) << name;
  }
}

}  // namespace
}  // namespace headgate::proof
