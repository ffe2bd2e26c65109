#include "proof/json_web_token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "token_issuer.h"

namespace headgate::proof {
namespace {

using test::base64url;
using test::ec_jwk;
using test::ec_key;
using test::ec_token;
using test::key_set;
using test::rsa_jwk;
using test::rsa_key;
using test::rsa_token;
using test::signed_token;
using testing::HasSubstr;
using Verdict = JsonWebKeySet::Verdict;

JsonWebKeySet keys(const std::string& list) {
  auto set = JsonWebKeySet::parse(key_set(list));
  EXPECT_TRUE(set.has_value()) << set.error();
  return *std::move(set);
}

Verdict verdict(const JsonWebKeySet& set, const std::string& token) {
  const auto parsed = JsonWebToken::parse(token);
  EXPECT_TRUE(parsed.has_value()) << parsed.error();
  return set.verify(*parsed);
}

std::string error_of(const std::string& token) {
  const auto parsed = JsonWebToken::parse(token);
  return parsed ? "" : parsed.error();
}

TEST(JsonWebToken, IsTakenApart) {
  const auto token = JsonWebToken::parse(rsa_token("one", R"({"a":1})"));
  ASSERT_TRUE(token.has_value()) << token.error();
  EXPECT_EQ(token->algorithm, net::SignatureAlgorithm::kRs256);
  EXPECT_EQ(token->key_id, "one");
  EXPECT_EQ(token->payload.view(), R"({"a":1})");
}

TEST(JsonWebToken, WithoutAPublicKeySignatureIsRefused) {
  const std::string payload = test::good_payload();
  EXPECT_THAT(error_of(base64url(R"({"alg":"none"})") + "." + base64url(payload) + "."),
              HasSubstr("found 'none'"));
  // Signed with the public key as if it were a shared secret: the algorithm alone refuses it.
  for (const char* algorithm : {"HS256", "HS384", "HS512", "nOnE", "", "RS1"}) {
    EXPECT_THAT(
        error_of(signed_token(R"({"alg":")" + std::string(algorithm) + "\"}", payload, rsa_key())),
        HasSubstr("public-key algorithm"))
        << algorithm;
  }
  EXPECT_THAT(error_of(signed_token("{}", payload, rsa_key())), HasSubstr("public-key"));
  EXPECT_THAT(error_of(signed_token(R"({"alg":["RS256"]})", payload, rsa_key())),
              HasSubstr("public-key"));
}

TEST(JsonWebToken, WhatIsNoneIsRefused) {
  for (const std::string token :
       {"", "a", "a.b", "a.b.c.d", "..", "!.!.!", "e30.e30.e30=", "W10.e30.e30", "e30.e30.x"}) {
    EXPECT_NE(error_of(token), "") << token;
  }
  EXPECT_NE(error_of(std::string(JsonWebToken::kLargest, 'a') + ".e30.e30"), "");
  const std::string deep(9000, '[');
  EXPECT_NE(error_of(base64url(deep) + ".e30.e30"), "");
}

TEST(JsonWebToken, OfAnotherPurposeOrWithUnknownDemandsIsRefused) {
  const auto with = [](const std::string& member) {
    return error_of(signed_token(R"({"alg":"RS256",)" + member + "}", "{}", rsa_key()));
  };
  EXPECT_EQ(with(R"("typ":"JWT")"), "");
  EXPECT_EQ(with(R"("typ":"application/at+jwt")"), "");
  EXPECT_NE(with(R"("typ":"logout+jwt")"), "");
  EXPECT_NE(with(R"("typ":1)"), "");
  EXPECT_NE(with(R"("crit":["b64"],"b64":false)"), "");
}

TEST(JsonWebKeySet, KnowsItsKeysByTheirNames) {
  const JsonWebKeySet set = keys(rsa_jwk(rsa_key(), "one") + "," + ec_jwk(ec_key(), "two"));
  EXPECT_EQ(set.size(), 2U);
  EXPECT_EQ(verdict(set, rsa_token("one")), Verdict::kGood);
  EXPECT_EQ(verdict(set, ec_token("two")), Verdict::kGood);
  EXPECT_EQ(verdict(set, rsa_token("three")), Verdict::kUnknownKey);
  // The name is there, but for a key of another kind.
  EXPECT_EQ(verdict(set, rsa_token("two")), Verdict::kUnknownKey);
  std::string forged = rsa_token("one");
  forged[forged.find('.') + 5] ^= 1;
  EXPECT_EQ(verdict(set, forged), Verdict::kBad);
}

TEST(JsonWebKeySet, TokensAndKeysWithoutNamesAreTried) {
  const JsonWebKeySet set = keys(rsa_jwk(rsa_key(), "one") + "," + ec_jwk(ec_key(), ""));
  EXPECT_EQ(verdict(set, signed_token(R"({"alg":"RS256"})", "{}", rsa_key())), Verdict::kGood);
  EXPECT_EQ(verdict(set, ec_token("whatever")), Verdict::kGood);
  EXPECT_EQ(verdict(set, signed_token(R"({"alg":"PS256"})", "{}", rsa_key())),
            Verdict::kUnknownKey);
}

TEST(JsonWebKeySet, AKeyThatNamesItsAlgorithmIsForThatAlone) {
  const JsonWebKeySet set = keys(rsa_jwk(rsa_key(), "one", R"(,"alg":"PS256","use":"sig")"));
  EXPECT_EQ(verdict(set, rsa_token("one")), Verdict::kUnknownKey);
  EXPECT_EQ(
      verdict(set, signed_token(R"({"alg":"PS256","kid":"one"})", "{}", rsa_key(), "SHA256", true)),
      Verdict::kGood);
}

TEST(JsonWebKeySet, KeysForOtherPurposesArePassedOver) {
  const std::string good = ec_jwk(ec_key(), "good", R"(,"key_ops":["verify"])");
  EXPECT_EQ(keys(rsa_jwk(rsa_key(), "a", R"(,"use":"enc")") + "," +
                 rsa_jwk(rsa_key(), "b", R"(,"key_ops":["encrypt"])") + "," +
                 rsa_jwk(rsa_key(), "c", R"(,"alg":"RSA-OAEP")") + "," +
                 ec_jwk(ec_key(), "d", R"(,"alg":"ES384")") + "," +
                 R"({"kty":"oct","k":"c2VjcmV0","kid":"e"},{"kty":"RSA"},{"kty":7},5,)" + good)
                .size(),
            1U);
}

TEST(JsonWebKeySet, WithoutAKeyForSignaturesIsAnError) {
  for (const std::string text : {"", "[]", "{}", R"({"keys":{}})", R"({"keys":[]})", "null",
                                 R"({"keys":[{"kty":"oct","k":"c2VjcmV0"}]})"}) {
    EXPECT_FALSE(JsonWebKeySet::parse(text).has_value()) << text;
  }
  EXPECT_FALSE(JsonWebKeySet::parse(std::string(JsonWebKeySet::kLargest + 1, ' ')).has_value());
  std::string many = ec_jwk(ec_key(), "a");
  for (std::size_t i = 0; i < JsonWebKeySet::kMostKeys; ++i) {
    many += "," + ec_jwk(ec_key(), "a");
  }
  EXPECT_THAT(JsonWebKeySet::parse(key_set(many)).error(), HasSubstr("1 to 64"));
}

}  // namespace
}  // namespace headgate::proof
