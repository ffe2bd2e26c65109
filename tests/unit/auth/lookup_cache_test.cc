#include "auth/lookup_cache.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <variant>

#include "auth/cached_source.h"

namespace headgate::auth {
namespace {

using namespace std::chrono_literals;
using dialogue::LoginFailure;

class LookupCacheTest : public testing::Test {
 protected:
  LookupCache::Question question(std::string user, std::string_view password,
                                 std::string_view listener = "imaps") {
    const dialogue::Credentials credentials{"PLAIN", std::move(user), Secret(password)};
    return cache_.question({credentials, {}, {}, listener, "session", true});
  }
  // What the cache knows, as a word.
  std::string find(const LookupCache::Question& question, LookupCache::Clock::duration after = 0s) {
    const auto known = cache_.find(question, start_ + after);
    static constexpr const char* kWords[] = {"accepted", "rejected", "unavailable", "unknown"};
    return known ? kWords[known->index()] : "";
  }
  void learn(const LookupCache::Question& question, const LookupResult& result) {
    cache_.learn(question, result, start_);
  }

  LookupCache cache_{{.entries = 1600, .ttl = 60s, .negative_ttl = 10s}};
  const LookupCache::Clock::time_point start_ = LookupCache::Clock::now();
};

const LookupResult kAccepted = Accepted{Route{.user = "a1", .pool = {}, .backend = {}}};
const LookupResult kWrong = Rejected{LoginFailure::kWrongCredentials};

TEST_F(LookupCacheTest, AnAnswerHoldsForTheSamePasswordUntilItsTime) {
  learn(question("alice", "sesame"), kAccepted);
  const auto known = cache_.find(question("alice", "sesame"), start_ + 59s);
  ASSERT_TRUE(known.has_value());
  EXPECT_EQ(std::get<Accepted>(*known).route.user, "a1");
  EXPECT_EQ(find(question("alice", "sesame"), 60s), "");
  EXPECT_EQ(find(question("alice", "Sesame")), "");
  EXPECT_EQ(find(question("bob", "sesame")), "");
  EXPECT_EQ(find(question("alice", "sesame", "other listener")), "");
}

TEST_F(LookupCacheTest, OnlyTheSameWrongPasswordIsRefusedWithoutAskingWhoeverTheUserIs) {
  learn(question("alice", "wrong"), kWrong);
  learn(question("nobody", "wrong"), UnknownHere{});
  EXPECT_EQ(find(question("alice", "wrong"), 9s), "rejected");
  EXPECT_EQ(find(question("nobody", "wrong"), 9s), "unknown");
  EXPECT_EQ(find(question("alice", "other")), "");
  EXPECT_EQ(find(question("nobody", "other")), "") << "the time of the reply would tell";
  EXPECT_EQ(find(question("alice", "wrong"), 10s), "");
}

TEST_F(LookupCacheTest, ANewPasswordEndsTheOldOneAtOnceAndAWrongOneDoesNot) {
  learn(question("alice", "old"), kAccepted);
  learn(question("alice", "guess"), kWrong);
  EXPECT_EQ(find(question("alice", "old")), "accepted");
  learn(question("alice", "new"), kAccepted);
  EXPECT_EQ(find(question("alice", "new")), "accepted");
  EXPECT_EQ(find(question("alice", "old")), "");
  EXPECT_EQ(find(question("alice", "guess")), "") << "it may be the next one";
}

TEST_F(LookupCacheTest, AUserWhoIsGoneOrDisabledIsForgotten) {
  for (const LookupResult& end :
       {LookupResult(UnknownHere{}), LookupResult(Rejected{LoginFailure::kAccountDisabled})}) {
    learn(question("alice", "sesame"), kAccepted);
    learn(question("alice", "other"), end);
    EXPECT_EQ(find(question("alice", "sesame")), "");
  }
}

TEST_F(LookupCacheTest, AFailureIsNoAnswer) {
  learn(question("alice", "sesame"), kAccepted);
  learn(question("alice", "other"), Unavailable{"down"});
  learn(question("alice", "other"), Rejected{LoginFailure::kLookupUnavailable});
  EXPECT_EQ(find(question("alice", "sesame")), "accepted");
  EXPECT_EQ(find(question("alice", "other")), "");
  EXPECT_EQ(cache_.size(), 1U);
}

TEST_F(LookupCacheTest, ToBeAskedAgainIsNoAnswer) {
  learn(question("alice", "sesame"), kAccepted);
  learn(question("alice", "sesame"), AskAgain{1s});
  learn(question("bob", "sesame"), AskAgain{1s});
  EXPECT_EQ(find(question("alice", "sesame")), "accepted");
  EXPECT_EQ(find(question("bob", "sesame")), "");
}

TEST_F(LookupCacheTest, AnAnswerWithAPasswordIsNotKeptAndEndsTheOneBefore) {
  learn(question("alice", "old"), kAccepted);
  LookupResult answer = kAccepted;
  std::get<Accepted>(answer).route.password = std::make_shared<const Secret>("for the backend");
  learn(question("alice", "new"), answer);
  EXPECT_EQ(find(question("alice", "new")), "");
  EXPECT_EQ(find(question("alice", "old")), "");
  EXPECT_EQ(cache_.size(), 0U);
}

TEST_F(LookupCacheTest, ARefusalKeepsItsWordsItsDelayAndThatItIsTheLast) {
  learn(question("alice", "x"),
        Rejected{
            .failure = LoginFailure::kWrongCredentials, .text = "No", .delay = 3s, .last = true});
  const auto known = cache_.find(question("alice", "x"), start_);
  ASSERT_TRUE(known.has_value());
  const auto& rejected = std::get<Rejected>(*known);
  EXPECT_EQ(rejected.text, "No");
  EXPECT_EQ(rejected.delay, 3s);
  EXPECT_TRUE(rejected.last);
}

TEST_F(LookupCacheTest, AMillionNamesTakeNoMoreThanTheEntriesAndGuessesDoNotPushOutGoodAnswers) {
  learn(question("alice", "sesame"), kAccepted);
  for (int i = 0; i < 100'000; ++i) {
    learn(question("user" + std::to_string(i), "x"), kWrong);
  }
  EXPECT_LE(cache_.size(), 1601U);
  EXPECT_EQ(find(question("alice", "sesame")), "accepted");
  EXPECT_EQ(find(question("user99999", "x")), "rejected");
  learn(question(std::string(5000, 'u'), "x"), kWrong);
  EXPECT_EQ(find(question(std::string(5000, 'u'), "x")), "") << "such a name is not kept";
}

class CountingSource : public UserSource {
 public:
  void look_up(const LoginRequest& request, Callback done) override {
    ++asked;
    done(request.credentials.secret.equals("sesame") ? kAccepted : kWrong);
  }
  LookupResult explain(std::string_view /*user*/) override { return UnknownHere{}; }
  [[nodiscard]] std::string_view name() const override { return "counting"; }
  int asked = 0;
};

TEST(CachedSource, AsksOnceAndCountsWhatTheCacheKnew) {
  auto inner = std::make_unique<CountingSource>();
  CountingSource& source = *inner;
  metrics::SourceMetrics metrics("sql");
  CachedSource cached(std::move(inner), std::make_shared<LookupCache>(CacheOptions{}), metrics);
  std::size_t accepted = 0;
  for (const char* password : {"sesame", "sesame", "wrong", "wrong", "sesame"}) {
    const dialogue::Credentials credentials{"LOGIN", "alice", Secret(password)};
    cached.look_up({credentials, {}, {}, "imaps", "session", true}, [&](LookupResult result) {
      accepted += std::holds_alternative<Accepted>(result) ? 1 : 0;
    });
  }
  EXPECT_EQ(accepted, 3U);
  EXPECT_EQ(source.asked, 2);
  EXPECT_EQ(metrics.cache[metrics::index(metrics::CacheResult::kHit)].value(), 2U);
  EXPECT_EQ(metrics.cache[metrics::index(metrics::CacheResult::kNegativeHit)].value(), 1U);
  EXPECT_EQ(metrics.cache[metrics::index(metrics::CacheResult::kMiss)].value(), 2U);
}

TEST_F(LookupCacheTest, WhatAOneTimeCodeWasNeededForIsNeverKept) {
  learn(question("alice", "sesame123456"),
        Accepted{Route{.user = "a1", .pool = {}, .backend = {}, .code_length = 6}});
  EXPECT_EQ(find(question("alice", "sesame123456")), "");
  Rejected early{LoginFailure::kWrongCredentials};
  early.factor = metrics::Factor::kTotpWrong;
  learn(question("alice", "sesame654321"), early);
  EXPECT_EQ(find(question("alice", "sesame654321")), "") << "it may be good in a moment";
}

}  // namespace
}  // namespace headgate::auth
