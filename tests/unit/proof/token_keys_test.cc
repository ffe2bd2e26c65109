#include "proof/token_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "token_issuer.h"

namespace headgate::proof {
namespace {

using namespace std::chrono_literals;
using test::ec_jwk;
using test::ec_key;
using test::ec_token;
using test::key_set;
using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Verdict = TokenKeys::Verdict;

constexpr std::uint64_t kSecond = 1000;
constexpr std::uint64_t kHour = 3600 * kSecond;

// The time is the test's, and fetches end when the test says so.
class TokenKeysTest : public testing::Test {
 protected:
  void verify(const std::string& token) {
    auto parsed = JsonWebToken::parse(token);
    ASSERT_TRUE(parsed.has_value());
    keys_.verify(std::make_shared<const JsonWebToken>(*std::move(parsed)),
                 [this](Verdict verdict) { verdicts_.push_back(verdict); });
  }
  // The oldest fetch under way ends so.
  void answer(std::expected<Secret, std::string> text) {
    ASSERT_THAT(fetches_, testing::Not(IsEmpty()));
    const TokenKeys::Fetched done = std::move(fetches_.front());
    fetches_.erase(fetches_.begin());
    done(std::move(text));
  }
  void answer_keys(const std::string& keys) { answer(Secret(key_set(keys))); }
  void fail() { answer(std::unexpected("gone")); }
  // Keys of the names given, fetched by a first token.
  void begin_with(const std::string& name) {
    verify(ec_token(name));
    answer_keys(ec_jwk(ec_key(), name));
    ASSERT_THAT(verdicts_, ElementsAre(Verdict::kGood));
    verdicts_.clear();
  }

  std::uint64_t now_ = 1'000'000;
  std::vector<TokenKeys::Fetched> fetches_;
  std::vector<Verdict> verdicts_;
  TokenKeys keys_{[this] { return now_; },
                  [this](TokenKeys::Fetched done) { fetches_.push_back(std::move(done)); },
                  {.source = "oauth"}};
};

TEST_F(TokenKeysTest, TheFirstTokensShareAFetch) {
  for (int i = 0; i < 3; ++i) {
    verify(ec_token("one"));
  }
  EXPECT_THAT(fetches_, SizeIs(1));
  EXPECT_THAT(verdicts_, IsEmpty());
  answer_keys(ec_jwk(ec_key(), "one"));
  EXPECT_THAT(verdicts_, ElementsAre(Verdict::kGood, Verdict::kGood, Verdict::kGood));
  verify(ec_token("one"));
  EXPECT_THAT(verdicts_, SizeIs(4));
  EXPECT_THAT(fetches_, IsEmpty());
}

TEST_F(TokenKeysTest, WithoutKeysNothingIsSaidAboutATokenAndTheNextOneTriesAgainLater) {
  verify(ec_token("one"));
  fail();
  verify(ec_token("one"));
  EXPECT_THAT(verdicts_, ElementsAre(Verdict::kNoKeys, Verdict::kNoKeys));
  EXPECT_EQ(keys_.error(), "gone");
  EXPECT_THAT(fetches_, IsEmpty()) << "it failed a moment ago";
  now_ += kSecond;
  verify(ec_token("one"));
  answer_keys(ec_jwk(ec_key(), "one"));
  EXPECT_EQ(verdicts_.back(), Verdict::kGood);
  EXPECT_EQ(keys_.error(), "");
}

TEST_F(TokenKeysTest, WhatIsNoKeySetIsAFetchThatFailed) {
  verify(ec_token("one"));
  answer(Secret("<html>"));
  EXPECT_THAT(verdicts_, ElementsAre(Verdict::kNoKeys));
  EXPECT_THAT(keys_.error(), testing::HasSubstr("JSON Web Key Set"));
}

TEST_F(TokenKeysTest, ARotatedKeyIsFoundAtOnceAndTheOldOneIsGone) {
  begin_with("one");
  verify(ec_token("two"));
  EXPECT_THAT(verdicts_, IsEmpty());
  answer_keys(ec_jwk(ec_key(), "two"));
  EXPECT_THAT(verdicts_, ElementsAre(Verdict::kGood));
  verify(ec_token("one"));
  EXPECT_EQ(verdicts_.back(), Verdict::kBad);
}

TEST_F(TokenKeysTest, AStormOfUnknownKeysFetchesOnceInTenSeconds) {
  begin_with("one");
  verify(ec_token("made up"));
  answer_keys(ec_jwk(ec_key(), "one"));
  for (int i = 0; i < 1000; ++i) {
    now_ += 9;
    verify(ec_token("made up"));
  }
  EXPECT_THAT(fetches_, IsEmpty());
  EXPECT_THAT(verdicts_, SizeIs(1001));
  EXPECT_THAT(verdicts_, Each(Verdict::kBad));
  now_ += kSecond;
  verify(ec_token("made up"));
  EXPECT_THAT(fetches_, SizeIs(1));
}

TEST_F(TokenKeysTest, AStormOfUnknownKeysDuringAFetchWaitsInBoundedMemoryAndHoldsUpNobody) {
  begin_with("one");
  for (std::size_t i = 0; i < 2 * TokenKeys::kMostWaiting; ++i) {
    verify(ec_token("made up"));
  }
  EXPECT_THAT(verdicts_, SizeIs(TokenKeys::kMostWaiting));
  verify(ec_token("one"));
  EXPECT_EQ(verdicts_.back(), Verdict::kGood);
  EXPECT_THAT(fetches_, SizeIs(1));
}

TEST_F(TokenKeysTest, OldKeysAreRefreshedWhileTheyServe) {
  begin_with("one");
  now_ += kHour - 1;
  verify(ec_token("one"));
  EXPECT_THAT(fetches_, IsEmpty());
  now_ += 1;
  verify(ec_token("one"));
  verify(ec_token("one"));
  EXPECT_THAT(verdicts_, ElementsAre(Verdict::kGood, Verdict::kGood, Verdict::kGood));
  EXPECT_THAT(fetches_, SizeIs(1));
  answer_keys(ec_jwk(ec_key(), "two"));
  verify(ec_token("one"));
  EXPECT_THAT(fetches_, SizeIs(1)) << "its key has gone; there may be newer ones";
}

TEST_F(TokenKeysTest, WhereFetchingFailsTheOldKeysHoldOnForADay) {
  begin_with("one");
  for (int hour = 1; hour < 24; ++hour) {
    now_ += kHour;
    verify(ec_token("one"));
    fail();
  }
  EXPECT_THAT(verdicts_, Each(Verdict::kGood));
  now_ += kHour;
  verify(ec_token("one"));
  fail();
  EXPECT_EQ(verdicts_.back(), Verdict::kNoKeys);
}

TEST_F(TokenKeysTest, AnUnknownKeyIsNotCalledWrongWhileTheKeysCannotBeFetched) {
  begin_with("one");
  verify(ec_token("two"));
  fail();
  verify(ec_token("two"));
  EXPECT_THAT(verdicts_, ElementsAre(Verdict::kCannotTell, Verdict::kCannotTell));
  verify(ec_token("one"));
  EXPECT_EQ(verdicts_.back(), Verdict::kGood);
}

}  // namespace
}  // namespace headgate::proof
