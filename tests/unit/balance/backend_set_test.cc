#include "balance/backend_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "balance/fixed_log.h"
#include "balance/siphash.h"
#include "some_backends.h"

namespace headgate::balance {
namespace {

TEST(UserKey, IsSipHashWithItsReferenceVectors) {
  // The reference input is 00 01 02 …; none of its first bytes is an upper-case letter.
  std::string input;
  EXPECT_EQ(SipHash::of_lower_case(input), 0x726fdb47dd0e0e31U);
  for (char byte = 0; byte < 8; ++byte) {
    input += byte;
  }
  EXPECT_EQ(SipHash::of_lower_case(input), 0x93f5f5799a932462U);
  for (char byte = 8; byte < 15; ++byte) {
    input += byte;
  }
  EXPECT_EQ(SipHash::of_lower_case(input), 0xa129ca6149be45e5U);
}

TEST(UserKey, DoesNotMindTheCaseOfAsciiLetters) {
  EXPECT_EQ(user_key("Alice@Example.ORG"), user_key("alice@example.org"));
  EXPECT_NE(user_key("alice@example.org"), user_key("alicf@example.org"));
  EXPECT_NE(user_key("a[b"), user_key("a{b"));  // differ by the case bit, but are no letters
  EXPECT_EQ(backend_key({"MAIL1.example.org", 993}), backend_key({"mail1.example.org", 993}));
  EXPECT_NE(backend_key({"mail1.example.org", 993}), backend_key({"mail1.example.org", 143}));
}

TEST(FixedLog, IsCloseToTheLogarithmAndNeverRises) {
  std::mt19937_64 random(1);
  std::vector<std::uint64_t> inputs = {1, 2, 3, 1U << 31, ~std::uint64_t{0}, ~std::uint64_t{0} / 2};
  for (int i = 0; i < 100'000; ++i) {
    inputs.push_back(random() >> (i % 60));
  }
  std::ranges::sort(inputs);
  std::uint64_t last = std::numeric_limits<std::uint64_t>::max();
  for (const std::uint64_t x : inputs) {
    if (x == 0) {
      continue;
    }
    const double expected = -std::log2(static_cast<double>(x) / std::exp2(64));
    const double actual = static_cast<double>(minus_log2(x)) / std::exp2(kLogBits);
    ASSERT_NEAR(actual, expected, expected * 0.002 + 1e-9) << x;
    ASSERT_LE(minus_log2(x), last) << x;
    last = minus_log2(x);
  }
  EXPECT_EQ(minus_log2(std::uint64_t{1} << 63), std::uint64_t{1} << kLogBits);
  EXPECT_EQ(minus_log2(1), std::uint64_t{64} << kLogBits);
}

TEST(UserKey, TakesThePartOfTheNameThatIsAskedFor) {
  const auto without_detail = [](std::string_view user) {
    return user_key(user, HashInput::kWithoutDetail);
  };
  const auto domain = [](std::string_view user) { return user_key(user, HashInput::kDomain); };
  EXPECT_EQ(user_key("Alice+x@b", HashInput::kUser), user_key("alice+X@b"));
  EXPECT_EQ(without_detail("Alice+lists+more@Example.org"), user_key("alice@example.org"));
  EXPECT_EQ(without_detail("alice+lists"), user_key("alice"));
  EXPECT_EQ(without_detail("alice@exam+ple.org"), user_key("alice@exam+ple.org"));
  EXPECT_EQ(without_detail("a@b+c@d"), user_key("a@b@d"));
  EXPECT_EQ(without_detail("+lists@example.org"), user_key("+lists@example.org"));
  EXPECT_EQ(without_detail(""), user_key(""));
  const std::string longest = std::string(505, 'a') + "+b@c.de";
  EXPECT_EQ(without_detail(longest), user_key(std::string(505, 'a') + "@c.de"));
  EXPECT_EQ(without_detail("a" + longest), user_key("a" + longest));
  EXPECT_EQ(domain("alice@Example.org"), user_key("example.org"));
  EXPECT_EQ(domain("a@b@c"), user_key("c"));
  EXPECT_EQ(domain("alice"), user_key("alice"));
}

TEST(SourceKey, IsTheSameForAllOfAnIpv6Network) {
  const auto key = [](std::string_view text) { return source_key(IpAddress::parse(text).value()); };
  EXPECT_EQ(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
  EXPECT_NE(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
  EXPECT_NE(key("192.0.2.1"), key("192.0.2.2"));
  EXPECT_EQ(key("::ffff:192.0.2.1"), key("192.0.2.1"));
}

TEST(Preparation, FindsTheStepThatAllWeightsAreMultiplesOf) {
  BackendSet set;
  const auto step = [&set] {
    prepare(set);
    return set.weight_step;
  };
  EXPECT_EQ(step(), 1U);
  set.backends.resize(3);
  EXPECT_EQ(step(), 100U);
  set.backends[1].weight = 250;
  set.backends[2].weight = 0;
  EXPECT_EQ(step(), 50U);
  set.backends[0].weight = set.backends[1].weight = 0;
  EXPECT_EQ(step(), 1U);
}

TEST(Figures, TheLoadSpreadIsThatOfTheFullestByItsWeight) {
  BackendSet set = make_set(3);
  set.backends[1].weight = 200;
  EXPECT_EQ(load_spread(set, 0), std::nullopt) << "nobody is there";
  set.backends[0].state->sessions = 100;
  set.backends[1].state->sessions = 200;
  set.backends[2].state->sessions = 100;
  EXPECT_DOUBLE_EQ(load_spread(set, 0).value(), 1.0);
  set.backends[0].state->sessions = 50;
  set.backends[2].state->sessions = 150;
  EXPECT_DOUBLE_EQ(load_spread(set, 0).value(), 1.5);
  // With a tenth of its weight it should have far fewer.
  set.backends[2].state->tenths = 1;
  EXPECT_DOUBLE_EQ(load_spread(set, 0).value(), 150 / 10.0 * 310 / 400);
}

TEST(Figures, TheLoadSpreadLeavesOutWhoGetsNoNewUsers) {
  for (const auto& change : std::vector<void (*)(Backend&)>{
           [](Backend& one) { one.service = Service::kDraining; },
           [](Backend& one) { one.state->retry_at_ms = kUntilChecked; },
           [](Backend& one) { one.weight = 0; }, [](Backend& one) { one.backup = true; },
           [](Backend& one) { one.share = 100; }, [](Backend& one) { one.endpoints.clear(); }}) {
    BackendSet set = make_set(3);
    set.backends[0].state->sessions = 50;
    set.backends[1].state->sessions = 150;
    set.backends[2].state->sessions = 1000;
    change(set.backends[2]);
    EXPECT_DOUBLE_EQ(load_spread(set, 0).value(), 1.5);
    set.backends[1].service = Service::kDisabled;
    EXPECT_EQ(load_spread(set, 0), std::nullopt) << "one is left";
  }
}

TEST(Figures, WeightThatIsAwayIsAPartOfThatInService) {
  BackendSet set = make_set(4);
  EXPECT_EQ(weight_away(set), 0);
  set.backends[0].state->tenths = 5;
  EXPECT_DOUBLE_EQ(weight_away(set), 0.125);
  set.backends[3].service = Service::kDraining;
  EXPECT_DOUBLE_EQ(weight_away(set), 0.5 / 3);
  for (Backend& backend : set.backends) {
    backend.weight = 0;
  }
  EXPECT_EQ(weight_away(set), 0);
}

TEST(Health, EachFailureInARowDoublesTheTimeUpToThirtySeconds) {
  BackendState state;
  std::int64_t now = 1'000'000;
  for (const std::int64_t expected : {1000, 2000, 4000, 8000, 16000, 30000, 30000}) {
    note_failure(state, now, 1000, 12345);
    const std::int64_t delay = state.retry_at_ms - now;
    EXPECT_GE(delay, expected * 8 / 10);
    EXPECT_LE(delay, expected * 12 / 10);
    now = state.retry_at_ms;
  }
  EXPECT_EQ(state.failures_in_a_row, 7U);
  note_success(state);
  EXPECT_EQ(state.failures_in_a_row, 0U);
  EXPECT_EQ(state.retry_at_ms, 0);
  EXPECT_EQ(state.failures, 7U);
  note_failure(state, now, 1000, 1);
  EXPECT_LE(state.retry_at_ms - now, 1200);
}

TEST(Health, TheTimeIsSpreadOverTheWholeRange) {
  std::int64_t least = 10'000;
  std::int64_t most = 0;
  std::mt19937_64 random(7);
  for (int i = 0; i < 10'000; ++i) {
    BackendState state;
    note_failure(state, 0, 1000, random());
    least = std::min<std::int64_t>(least, state.retry_at_ms);
    most = std::max<std::int64_t>(most, state.retry_at_ms);
  }
  EXPECT_EQ(least, 800);
  EXPECT_EQ(most, 1200);
}

TEST(Health, SessionsThatFailTogetherAreOneFailureInARow) {
  BackendState state;
  std::vector<std::thread> workers;
  for (int worker = 0; worker < 4; ++worker) {
    workers.emplace_back([&state] {
      for (int session = 0; session < 100; ++session) {
        note_failure(state, 5000, 1000, 3);
      }
    });
  }
  for (std::thread& worker : workers) {
    worker.join();
  }
  EXPECT_EQ(state.failures, 400U);
  EXPECT_EQ(state.failures_in_a_row, 1U);
  EXPECT_LE(state.retry_at_ms, 6200);
}

TEST(Health, OddTimesDoNoHarm) {
  for (const std::int64_t base : {std::int64_t{0}, std::int64_t{-5}, std::int64_t{60'000}}) {
    BackendState state;
    state.failures_in_a_row = std::numeric_limits<std::uint32_t>::max() - 1;
    note_failure(state, 0, base, ~std::uint64_t{0});
    EXPECT_GT(state.retry_at_ms, 0);
    EXPECT_LE(state.retry_at_ms, 72'000);
  }
}

TEST(Health, OneLoginTriesABackendThatHasFailedAndTheOthersDoNot) {
  BackendState state;
  EXPECT_FALSE(begin_trial(state, 1000, 500)) << "it is up";
  note_failure(state, 1000, 1000, 0);
  const std::int64_t due = state.retry_at_ms;
  EXPECT_FALSE(begin_trial(state, due - 1, 500)) << "its time is not over";
  EXPECT_TRUE(begin_trial(state, due, 500));
  EXPECT_EQ(state.retry_at_ms, due + 500);
  EXPECT_FALSE(begin_trial(state, due + 499, 500)) << "one at a time";
  note_failure(state, due + 100, 1000, 0);  // of somebody else
  EXPECT_EQ(state.failures_in_a_row, 1U);
  note_failure(state, due + 100, 1000, 0, true);
  EXPECT_EQ(state.failures_in_a_row, 2U);
  EXPECT_GT(state.retry_at_ms, due + 1000);
  // Whoever tried has gone: the next one does.
  EXPECT_TRUE(begin_trial(state, state.retry_at_ms, 500));
  EXPECT_TRUE(begin_trial(state, state.retry_at_ms, 500));
  note_success(state);
  EXPECT_EQ(state.retry_at_ms, 0);
  EXPECT_FALSE(begin_trial(state, 1'000'000, 500));
}

TEST(Health, ATrialIsNoneOfABackendThatChecksHaveTakenOut) {
  BackendState state;
  note_failure(state, 0, 1000, 0);
  EXPECT_TRUE(begin_trial(state, 5000, 500));
  note_taken_out(state);
  EXPECT_FALSE(begin_trial(state, 10'000, 500));
  note_failure(state, 5100, 1000, 0, true);
  EXPECT_TRUE(is_taken_out(state));
}

TEST(LostSessions, EndAtTheRateAndTheFirstAtOnce) {
  BackendState state;
  for (std::int64_t at = 0; at < 100; ++at) {
    EXPECT_EQ(wait_for_end(state, 7000, 20), at * 50);
  }
  EXPECT_EQ(wait_for_end(state, 11'900, 20), 100) << "what has waited has had its turn";
  EXPECT_EQ(wait_for_end(state, 60'000, 20), 0);
  EXPECT_EQ(wait_for_end(state, 120'000, 1), 0);
  EXPECT_EQ(wait_for_end(state, 120'000, 1), 1000);
}

TEST(LostSessions, OfAllWorkersHaveOneRate) {
  BackendState state;
  std::atomic<std::int64_t> longest{0};
  std::vector<std::thread> workers;
  for (int worker = 0; worker < 4; ++worker) {
    workers.emplace_back([&] {
      for (int i = 0; i < 250; ++i) {
        const std::int64_t wait = wait_for_end(state, 0, 100);
        std::int64_t before = longest;
        while (before < wait && !longest.compare_exchange_weak(before, wait)) {
        }
      }
    });
  }
  for (std::thread& worker : workers) {
    worker.join();
  }
  EXPECT_EQ(longest, 9990);
}

}  // namespace
}  // namespace headgate::balance
