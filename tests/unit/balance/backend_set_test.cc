#include "balance/backend_set.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <random>
#include <thread>

#include "balance/fixed_log.h"
#include "balance/siphash.h"

// Counts allocations, to prove that a decision makes none.
namespace {
thread_local std::size_t allocations = 0;
}
// The thread sanitizer brings allocation functions of its own; its build looks for races and leaves
// the counting to the others.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HEADGATE_OWN_ALLOCATOR 1
#endif
#endif
#ifndef HEADGATE_OWN_ALLOCATOR
// Not inlined: the compiler would see malloc meet delete, and new meet free.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size != 0 ? size : 1)) {
    return memory;
  }
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
#endif

namespace headgate::balance {
namespace {

Backend make_backend(unsigned number, unsigned weight = 100) {
  Backend backend;
  backend.address = {fmt::format("mail{}.example.org", number), 993};
  backend.endpoints = {Endpoint{}};
  backend.weight = weight;
  backend.hash = backend_key(backend.address);
  backend.state = std::make_shared<BackendState>();
  return backend;
}

BackendSet make_set(unsigned count, unsigned weight = 100) {
  BackendSet set{.pool = "main", .backends = {}};
  for (unsigned number = 1; number <= count; ++number) {
    set.backends.push_back(make_backend(number, weight));
  }
  return set;
}

const std::vector<std::uint64_t>& million_users() {
  static const auto users = [] {
    std::vector<std::uint64_t> keys;
    for (int user = 0; user < 1'000'000; ++user) {
      keys.push_back(user_key(fmt::format("user{}@example.org", user)));
    }
    return keys;
  }();
  return users;
}

// Index of the backend of each of the million users.
std::vector<std::uint32_t> place(const BackendSet& set) {
  std::vector<std::uint32_t> places;
  places.reserve(million_users().size());
  for (const std::uint64_t user : million_users()) {
    places.push_back(first_by_user_hash(set, user, 0).value());
  }
  return places;
}

double total_weight(const BackendSet& set) {
  double total = 0;
  for (const Backend& backend : set.backends) {
    total += backend.weight;
  }
  return total;
}

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

// A change here moves mailboxes of running installations: never "fix" these numbers.
TEST(Placement, NeverChangesByAccident) {
  BackendSet set = make_set(5);
  set.backends[1].weight = 200;
  set.backends[3].weight = 50;
  EXPECT_EQ(backend_key({"mail1.example.org", 993}), 0xb0407ca6db05bdb9U);
  EXPECT_EQ(backend_key({"2001:db8::1", 143}), 0xf3adf465d83a5c5cU);
  EXPECT_EQ(user_key("alice@example.org"), 0xca26a8e825067b7aU);
  const std::vector<std::vector<std::uint32_t>> expected = {
      {1, 3, 4, 0, 2}, {0, 2, 1, 4, 3}, {2, 1, 3, 4, 0}, {0, 1, 3, 2, 4},
      {2, 4, 1, 3, 0}, {0, 1, 2, 3, 4}, {4, 1, 2, 3, 0}, {0, 1, 3, 2, 4}};
  for (std::size_t user = 0; user < expected.size(); ++user) {
    const std::uint64_t key = user_key(fmt::format("user{}@example.org", user));
    EXPECT_EQ(by_user_hash(set, key, 0).order, expected[user]) << user;
  }
}

TEST(Placement, DoesNotDependOnTheOrderInTheFile) {
  const BackendSet set = make_set(30);
  BackendSet reversed = set;
  std::ranges::reverse(reversed.backends);
  for (std::size_t user = 0; user < 10'000; ++user) {
    const std::uint64_t key = million_users()[user];
    ASSERT_EQ(set.backends[first_by_user_hash(set, key, 0).value()].address,
              reversed.backends[first_by_user_hash(reversed, key, 0).value()].address);
  }
}

TEST(Placement, TheFirstOfTheOrderIsTheBestChoice) {
  BackendSet set = make_set(12);
  set.backends[2].weight = 0;
  set.backends[5].state->retry_at_ms = 1000;
  set.backends[7].endpoints.clear();
  for (std::size_t user = 0; user < 10'000; ++user) {
    const std::uint64_t key = million_users()[user];
    for (const std::int64_t now : {0, 2000}) {
      const Candidates candidates = by_user_hash(set, key, now);
      ASSERT_EQ(candidates.order.size(), 11U);
      ASSERT_EQ(first_by_user_hash(set, key, now), candidates.order.front());
    }
  }
}

TEST(Placement, SharesFollowTheWeightsWithinTwoPercent) {
  BackendSet set = make_set(6);
  const unsigned weights[] = {100, 200, 50, 400, 1, 250};
  for (std::size_t at = 0; at < 6; ++at) {
    set.backends[at].weight = weights[at];
  }
  std::vector<double> counts(6);
  for (const std::uint32_t at : place(set)) {
    ++counts[at];
  }
  for (std::size_t at = 0; at < 6; ++at) {
    const double expected = 1e6 * weights[at] / total_weight(set);
    const double chance = 4 * std::sqrt(expected);  // a thousand users cannot be even to 2 %
    EXPECT_NEAR(counts[at], expected, std::max(0.02 * expected, chance)) << at;
  }
}

TEST(Placement, ManyBackendsShareEvenly) {
  const BackendSet set = make_set(300);
  std::vector<double> counts(300);
  for (const std::uint32_t at : place(set)) {
    ++counts[at];
  }
  double chi_square = 0;
  for (const double count : counts) {
    const double expected = 1e6 / 300;
    chi_square += (count - expected) * (count - expected) / expected;
  }
  // 299 degrees of freedom: mean 299, standard deviation 24.5.
  EXPECT_LT(chi_square, 299 + 4 * 24.5);
  EXPECT_GT(chi_square, 299 - 4 * 24.5);
}

class Movement : public testing::TestWithParam<unsigned> {
 protected:
  // Everybody who moved came from or went to `changed`, and their share is what it has to be.
  static void expect_minimal(const BackendSet& before, const BackendSet& after,
                             std::uint32_t changed, double least_share) {
    static std::map<std::size_t, std::vector<std::uint32_t>> known;  // the same for all tests
    std::vector<std::uint32_t>& old_places = known[before.backends.size()];
    if (old_places.empty()) {
      old_places = place(before);
    }
    const auto new_places = place(after);
    std::size_t moved = 0;
    for (std::size_t user = 0; user < old_places.size(); ++user) {
      if (old_places[user] != new_places[user]) {
        ++moved;
        ASSERT_TRUE(old_places[user] == changed || new_places[user] == changed) << user;
      }
    }
    EXPECT_LE(static_cast<double>(moved) / 1e6, 1.05 * least_share);
    EXPECT_GE(static_cast<double>(moved) / 1e6, 0.95 * least_share);
  }
};

TEST_P(Movement, AnAddedBackendTakesOnlyItsShare) {
  const BackendSet before = make_set(GetParam());
  BackendSet after = before;
  after.backends.push_back(make_backend(GetParam() + 1));
  expect_minimal(before, after, GetParam(), 1.0 / (GetParam() + 1));
}

TEST_P(Movement, ARemovedBackendGivesOnlyItsShare) {
  const BackendSet before = make_set(GetParam());
  BackendSet after = before;
  after.backends.back().weight = 0;
  expect_minimal(before, after, GetParam() - 1, 1.0 / GetParam());
}

TEST_P(Movement, ANewWeightMovesOnlyTheDifference) {
  const BackendSet before = make_set(GetParam());
  for (const unsigned weight : {200U, 50U}) {
    BackendSet after = before;
    after.backends[0].weight = weight;
    const double difference = std::abs(weight / total_weight(after) - 100 / total_weight(before));
    expect_minimal(before, after, 0, difference);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, Movement, testing::Values(3U, 30U, 300U));

TEST(Placement, ABackendThatFailedIsTriedLastUntilItsTime) {
  const BackendSet set = make_set(3);
  const std::uint64_t key = user_key("alice@example.org");
  const Candidates healthy = by_user_hash(set, key, 100);
  set.backends[healthy.order[0]].state->retry_at_ms = 200;
  EXPECT_EQ(first_by_user_hash(set, key, 199), healthy.order[1]);
  EXPECT_EQ(by_user_hash(set, key, 199).order.back(), healthy.order[0]);
  EXPECT_EQ(first_by_user_hash(set, key, 200), healthy.order[0]);
  for (const Backend& backend : set.backends) {
    backend.state->retry_at_ms = 1000;
  }
  EXPECT_EQ(by_user_hash(set, key, 500).order, healthy.order);  // all down: still tried, in order
  EXPECT_EQ(first_by_user_hash(set, key, 500), healthy.order[0]);
}

TEST(Placement, NobodyGoesWhereNoWeightIs) {
  const BackendSet drained = make_set(3, 0);
  EXPECT_EQ(first_by_user_hash(drained, 1, 0), std::nullopt);
  EXPECT_TRUE(by_user_hash(drained, 1, 0).order.empty());
  EXPECT_EQ(first_by_user_hash(BackendSet{}, 1, 0), std::nullopt);
}

TEST(Placement, EveryHashAndEveryWeightHasAnAnswer) {
  BackendSet set = make_set(2);
  set.backends[0].weight = std::numeric_limits<unsigned>::max();
  for (const std::uint64_t user : {std::uint64_t{0}, set.backends[0].hash, ~set.backends[1].hash}) {
    EXPECT_EQ(by_user_hash(set, user, 0).order.size(), 2U);
  }
}

TEST(Placement, ADecisionAllocatesNothing) {
  const BackendSet set = make_set(300);
  const std::size_t before = allocations;
  std::uint64_t sum = 0;
  for (std::uint64_t user = 0; user < 1000; ++user) {
    sum += first_by_user_hash(set, user * 0x9e3779b97f4a7c15, 0).value();
  }
  EXPECT_EQ(allocations, before);
  EXPECT_GT(sum, 0U);
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

}  // namespace
}  // namespace headgate::balance
