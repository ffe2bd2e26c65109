#include "sources/auth_http_cram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

namespace headgate::sources {
namespace {

using dialogue::LoginFailure;
using testing::MatchesRegex;

// A round of somebody called alice.
std::expected<CramProof, auth::LookupResult> proof_of(std::shared_ptr<const auth::Round> round) {
  const dialogue::Credentials credentials{"CRAM-MD5", "alice", Secret()};
  auth::LoginRequest request{credentials, {}, {}, "imaps", "session", true};
  request.round = std::move(round);
  return cram_proof(request);
}

std::expected<CramProof, auth::LookupResult> proof_of(
    const char* message, std::shared_ptr<auth::Conversation> conversation) {
  auto round = std::make_shared<auth::Round>();
  if (message != nullptr) {
    round->message = Secret(message);
  }
  round->conversation = std::move(conversation);
  return proof_of(std::move(round));
}

auth::Challenge challenged() {
  return std::get<auth::Challenge>(proof_of(nullptr, nullptr).error());
}

LoginFailure failure_of(const std::expected<CramProof, auth::LookupResult>& proof) {
  return std::get<auth::Rejected>(proof.error()).failure;
}

TEST(AuthHttpCram, TheServerSpeaksFirstAndNeverTwiceTheSame) {
  const auth::Challenge first = challenged();
  EXPECT_THAT(first.bytes, MatchesRegex("<.+@.+>"));
  EXPECT_NE(first.bytes, challenged().bytes);
  EXPECT_EQ(failure_of(proof_of("alice 00000000000000000000000000000000", nullptr)),
            LoginFailure::kWrongCredentials);
}

TEST(AuthHttpCram, TheAnswerIsADigestOfItsChallenge) {
  const auth::Challenge first = challenged();
  const auto proof = proof_of("alice 0123456789abcdefABCDEF0123456789", first.conversation);
  ASSERT_TRUE(proof);
  EXPECT_EQ(proof->salt, first.bytes);
  EXPECT_EQ(proof->digest.view(), "0123456789abcdefABCDEF0123456789");
}

TEST(AuthHttpCram, WhatIsNoDigestIsRefused) {
  const auth::Challenge first = challenged();
  for (const char* message :
       {"", "alice", "alice ", "alice 0123", "x", "alice 0123456789abcdefABCDEF012345678g",
        "alice 0123456789abcdefABCDEF01234567890"}) {
    EXPECT_EQ(failure_of(proof_of(message, first.conversation)), LoginFailure::kWrongCredentials)
        << message;
  }
}

TEST(AuthHttpCram, AReloadInTheMiddleIsATemporaryFailure) {
  EXPECT_EQ(failure_of(proof_of(nullptr)), LoginFailure::kLookupUnavailable);
}

}  // namespace
}  // namespace headgate::sources
