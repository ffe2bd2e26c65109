#include "balance/policy.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <new>
#include <random>
#include <set>

#include "balance/lowest_bids.h"
#include "some_backends.h"

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
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
  ++allocations;
  return std::malloc(size != 0 ? size : 1);
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

using testing::HasSubstr;

constexpr std::array kPolicies = {Policy::kUserHash,   Policy::kLeastSessions, Policy::kPowerOfTwo,
                                  Policy::kRoundRobin, Policy::kRandom,        Policy::kFirst,
                                  Policy::kSourceHash};

// What the login number `n` of a user asks; everything in it differs from login to login.
Request login(std::size_t n) {
  const std::uint64_t user = all_users()[n % kUsers];
  return {.user = user,
          .source = user * 0x9e3779b97f4a7c15,
          .random = user * 0xd1342543de82ef95 + n,
          .turn = n,
          .now_ms = 0};
}

std::uint32_t chosen(const BackendSet& set, std::size_t n) {
  return choose(set, login(n)).value();
}

// Index of the backend of each user.
std::vector<std::uint32_t> place(const BackendSet& set) {
  std::vector<std::uint32_t> places;
  places.reserve(kUsers);
  for (std::size_t user = 0; user < kUsers; ++user) {
    places.push_back(chosen(set, user));
  }
  return places;
}

// The same, where each of them stays: what the policies that look at sessions balance.
std::vector<double> fill(const BackendSet& set, std::size_t users) {
  std::vector<double> counts(set.backends.size());
  for (std::size_t user = 0; user < users; ++user) {
    const std::uint32_t at = chosen(set, user);
    ++counts[at];
    ++set.backends[at].state->sessions;
  }
  return counts;
}

double total_weight(const BackendSet& set) {
  double total = 0;
  for (const Backend& backend : set.backends) {
    total += backend.weight;
  }
  return total;
}

void expect_shares_by_weight(const BackendSet& set, const std::vector<double>& counts) {
  double users = 0;
  for (const double count : counts) {
    users += count;
  }
  for (std::size_t at = 0; at < counts.size(); ++at) {
    const double expected = users * set.backends[at].weight / total_weight(set);
    const double chance = 4 * std::sqrt(expected);  // a thousand users cannot be even to 2 %
    EXPECT_NEAR(counts[at], expected, std::max(0.02 * expected, chance))
        << name(set.policy) << ' ' << at;
  }
}

// A change here moves mailboxes of running installations: never "fix" these numbers.
TEST(Placement, NeverChangesByAccident) {
  BackendSet set = make_set(5);
  set.backends[1].weight = 200;
  set.backends[3].weight = 50;
  prepare(set);
  EXPECT_EQ(backend_key({"mail1.example.org", 993}), 0xb0407ca6db05bdb9U);
  EXPECT_EQ(backend_key({"2001:db8::1", 143}), 0xf3adf465d83a5c5cU);
  EXPECT_EQ(user_key("alice@example.org"), 0xca26a8e825067b7aU);
  const std::vector<std::vector<std::uint32_t>> expected = {
      {1, 3, 4, 0, 2}, {0, 2, 1, 4, 3}, {2, 1, 3, 4, 0}, {0, 1, 3, 2, 4},
      {2, 4, 1, 3, 0}, {0, 1, 2, 3, 4}, {4, 1, 2, 3, 0}, {0, 1, 3, 2, 4}};
  for (std::size_t user = 0; user < expected.size(); ++user) {
    const std::uint64_t key = user_key(fmt::format("user{}@example.org", user));
    EXPECT_EQ(order(set, {.user = key}).order, expected[user]) << user;
  }
}

TEST(Placement, DoesNotDependOnTheOrderInTheFile) {
  for (const Policy policy : {Policy::kUserHash, Policy::kSourceHash}) {
    const BackendSet set = make_set(30, policy);
    BackendSet reversed = set;
    std::ranges::reverse(reversed.backends);
    prepare(reversed);
    for (std::size_t user = 0; user < 10'000; ++user) {
      ASSERT_EQ(set.backends[chosen(set, user)].address,
                reversed.backends[chosen(reversed, user)].address);
    }
  }
}

TEST(Placement, IsTheSameWhetherTheWeightsAreFewOrMany) {
  BackendSet few = make_set(40);
  for (unsigned at = 0; at < 40; ++at) {
    few.backends[at].weight = 10 + at % kWeightClasses;
  }
  prepare(few);
  ASSERT_TRUE(few.few_weights);
  BackendSet many = few;
  many.few_weights = false;
  for (std::size_t n = 0; n < 20'000; ++n) {
    ASSERT_EQ(choose(few, login(n)), choose(many, login(n)));
  }
  few.backends[0].weight = 500;
  prepare(few);
  EXPECT_FALSE(few.few_weights);
}

TEST(Placement, ManyBackendsShareEvenly) {
  const BackendSet set = make_set(300);
  std::vector<double> counts(300);
  for (const std::uint32_t at : place(set)) {
    ++counts[at];
  }
  double chi_square = 0;
  for (const double count : counts) {
    const double expected = kUsers / 300.0;
    chi_square += (count - expected) * (count - expected) / expected;
  }
  // 299 degrees of freedom: mean 299, standard deviation 24.5.
  EXPECT_LT(chi_square, 299 + 4 * 24.5);
  EXPECT_GT(chi_square, 299 - 4 * 24.5);
}

class Movement : public testing::TestWithParam<std::tuple<Policy, unsigned>> {
 protected:
  static BackendSet start() { return make_set(std::get<1>(GetParam()), std::get<0>(GetParam())); }

  // Everybody who moved came from or went to `changed`, and their share is what it has to be.
  static void expect_minimal(const BackendSet& before, const BackendSet& after,
                             std::uint32_t changed, double least_share) {
    static std::map<std::pair<Policy, std::size_t>, std::vector<std::uint32_t>> known;
    std::vector<std::uint32_t>& old_places = known[{before.policy, before.backends.size()}];
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
    const double share = static_cast<double>(moved) / kUsers;
    const double chance = kInstrumented ? 4 * std::sqrt(least_share / kUsers) : 0;
    EXPECT_LE(share, 1.05 * least_share + chance);
    EXPECT_GE(share, 0.95 * least_share - chance);
  }
};

TEST_P(Movement, AnAddedBackendTakesOnlyItsShare) {
  const BackendSet before = start();
  const auto count = static_cast<unsigned>(before.backends.size());
  BackendSet after = before;
  after.backends.push_back(make_backend(count + 1));
  prepare(after);
  expect_minimal(before, after, count, 1.0 / (count + 1));
}

TEST_P(Movement, ARemovedBackendGivesOnlyItsShare) {
  const BackendSet before = start();
  const auto count = static_cast<unsigned>(before.backends.size());
  BackendSet after = before;
  after.backends.back().weight = 0;
  prepare(after);
  expect_minimal(before, after, count - 1, 1.0 / count);
}

TEST_P(Movement, ANewWeightMovesOnlyTheDifference) {
  const BackendSet before = start();
  for (const unsigned weight : {200U, 50U}) {
    BackendSet after = before;
    after.backends[0].weight = weight;
    prepare(after);
    const double difference = std::abs(weight / total_weight(after) - 100 / total_weight(before));
    expect_minimal(before, after, 0, difference);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, Movement,
                         testing::Values(std::tuple(Policy::kUserHash, 3U),
                                         std::tuple(Policy::kUserHash, 30U),
                                         std::tuple(Policy::kUserHash, 300U),
                                         std::tuple(Policy::kSourceHash, 30U)));

class EveryPolicy : public testing::TestWithParam<Policy> {};

TEST_P(EveryPolicy, GivesTheSameAnswerToTheSameQuestion) {
  const BackendSet set = make_set(30, GetParam());
  const BackendSet again = make_set(30, GetParam());
  for (std::size_t n = 0; n < 10'000; ++n) {
    ASSERT_EQ(choose(set, login(n)), choose(again, login(n)));
    ASSERT_EQ(order(set, login(n)).order, order(again, login(n)).order);
    const std::uint32_t at = chosen(set, n);  // the next questions find other loads
    ++set.backends[at].state->sessions;
    ++again.backends[at].state->sessions;
  }
}

TEST_P(EveryPolicy, SharesTheUsersByWeightWithinTwoPercent) {
  if (GetParam() == Policy::kFirst) {
    EXPECT_EQ(fill(make_set(6, Policy::kFirst), 1000)[0], 1000);  // that is what it is for
    return;
  }
  BackendSet set = make_set(6, GetParam());
  const unsigned weights[] = {100, 200, 50, 400, 1, 250};
  for (std::size_t at = 0; at < 6; ++at) {
    set.backends[at].weight = weights[at];
  }
  prepare(set);
  expect_shares_by_weight(set, fill(set, kUsers));
}

// Of policies that draw or hash, chance alone keeps shares from being exact: no backend may be
// further off than five standard deviations, nor all together than chi-squared has it. With a
// million users that is above 2 % where a backend has fewer than 62,500 of them.
TEST_P(EveryPolicy, SharesNoWorseThanChanceAtAnyNumberOfBackends) {
  if (GetParam() == Policy::kFirst) {
    EXPECT_EQ(fill(make_set(30, Policy::kFirst), 1000)[0], 1000);  // it shares nothing
    return;
  }
  for (const unsigned backends : {3U, 30U, 300U}) {
    BackendSet set = make_set(backends, GetParam());
    for (std::size_t at = 0; at < backends; ++at) {
      set.backends[at].weight = 100U << at % 3;
    }
    prepare(set);
    constexpr std::size_t kSome = kUsers / 5;
    const std::vector<double> counts = fill(set, kSome);
    double chi_squared = 0;
    for (std::size_t at = 0; at < backends; ++at) {
      const double expected =
          static_cast<double>(kSome) * set.backends[at].weight / total_weight(set);
      EXPECT_NEAR(counts[at], expected, 5 * std::sqrt(expected)) << backends << ' ' << at;
      chi_squared += (counts[at] - expected) * (counts[at] - expected) / expected;
    }
    const auto freedom = static_cast<double>(backends - 1);
    EXPECT_LT(chi_squared, freedom + 6 * std::sqrt(2 * freedom)) << backends;
  }
}

TEST_P(EveryPolicy, TheFirstOfTheOrderIsTheBestChoiceAndEachBackendIsThereOnce) {
  BackendSet set = make_set(12, GetParam());
  set.backends[2].weight = 0;
  set.backends[5].state->retry_at_ms = 1000;
  set.backends[7].endpoints.clear();
  set.backends[8].backup = true;
  set.backends[9].max_sessions = 1;
  prepare(set);
  set.backends[9].state->sessions = 1;
  for (std::size_t n = 0; n < 2000; ++n) {
    for (const std::int64_t now : {0, 2000}) {
      Request request = login(n);
      request.now_ms = now;
      const auto all = order(set, request).order;
      ASSERT_EQ(all.size(), 10U);
      ASSERT_EQ(std::set(all.begin(), all.end()).size(), 10U);
      ASSERT_EQ(choose(set, request), all.front());
      // Up, then the backup, then down.
      ASSERT_EQ(all[now == 0 ? 7 : 8], 8U);
      ASSERT_EQ(std::set(all.begin() + (now == 0 ? 8 : 9), all.end()),
                (now == 0 ? std::set<std::uint32_t>{5, 7} : std::set<std::uint32_t>{7}));
    }
  }
}

TEST_P(EveryPolicy, ABackendThatFailedIsTriedLastUntilItsTime) {
  const BackendSet set = make_set(3, GetParam());
  Request request = login(7);
  const std::uint32_t best = choose(set, request).value();
  set.backends[best].state->retry_at_ms = 200;
  request.now_ms = 199;
  EXPECT_NE(choose(set, request), best);
  EXPECT_EQ(order(set, request).order.back(), best);
  request.now_ms = 200;
  EXPECT_EQ(choose(set, request), best);
  for (const Backend& backend : set.backends) {
    backend.state->retry_at_ms = 1000;
  }
  EXPECT_EQ(choose(set, request), best);  // all down: still tried, as if all were up
}

TEST_P(EveryPolicy, ABackupIsUsedOnlyWhileNoOtherBackendIsUp) {
  BackendSet set = make_set(5, GetParam());
  set.backends[1].backup = set.backends[3].backup = true;
  prepare(set);
  for (std::size_t n = 0; n < 1000; ++n) {
    ASSERT_FALSE(set.backends[chosen(set, n)].backup);
  }
  for (const std::size_t at : {0U, 2U, 4U}) {
    set.backends[at].state->retry_at_ms = 1;
  }
  std::set<std::uint32_t> used;
  for (std::size_t n = 0; n < 1000; ++n) {
    used.insert(chosen(set, n));
  }
  EXPECT_EQ(used, GetParam() == Policy::kFirst ? std::set<std::uint32_t>{1}
                                               : (std::set<std::uint32_t>{1, 3}));
  set.backends[1].state->retry_at_ms = set.backends[3].state->retry_at_ms = 1;
  EXPECT_FALSE(set.backends[chosen(set, 1)].backup);  // nothing is up: the ordinary ones first
}

TEST_P(EveryPolicy, AFullBackendTakesNobody) {
  BackendSet set = make_set(3, GetParam());
  for (Backend& backend : set.backends) {
    backend.max_sessions = 10;
  }
  prepare(set);
  const auto counts = fill(set, 30);
  EXPECT_EQ(counts, (std::vector<double>{10, 10, 10}));
  EXPECT_EQ(choose(set, login(1)), std::nullopt);
  EXPECT_TRUE(order(set, login(1)).order.empty());
}

TEST_P(EveryPolicy, NobodyGoesWhereNoWeightIs) {
  BackendSet drained = make_set(3, GetParam());
  for (Backend& backend : drained.backends) {
    backend.weight = 0;
  }
  prepare(drained);
  EXPECT_EQ(choose(drained, login(1)), std::nullopt);
  EXPECT_TRUE(order(drained, login(1)).order.empty());
  EXPECT_EQ(choose(make_set(0, GetParam()), login(1)), std::nullopt);
}

TEST_P(EveryPolicy, SharesAreWhatTheyPromiseAndStableByUser) {
  BackendSet set = make_set(10, GetParam());
  set.backends[3].share = 200;
  set.backends[6].share = 50;
  prepare(set);
  std::map<std::uint32_t, std::size_t> counts;
  for (std::size_t n = 0; n < kUsers; ++n) {
    const auto at = claimed_share(set, login(n).user);
    counts[at.value_or(99)] += 1;
    if (n < 20'000 && at) {
      ASSERT_EQ(choose(set, login(n)), at);
      ASSERT_EQ(order(set, login(n)).order.size(), 9U);
    } else if (n < 20'000) {
      ASSERT_EQ(set.backends[chosen(set, n)].share, 0U);
      ASSERT_EQ(order(set, login(n)).order.size(), 8U);
    }
  }
  const auto near = [](std::size_t count, double share) {
    EXPECT_NEAR(static_cast<double>(count), kUsers * share, 4 * std::sqrt(kUsers * share));
  };
  near(counts[3], 0.02);
  near(counts[6], 0.005);
  EXPECT_EQ(counts.size(), 3U);
}

TEST_P(EveryPolicy, AUserOfAShareGoesElsewhereWhileItsBackendIsDown) {
  BackendSet set = make_set(3, GetParam());
  set.backends[1].share = 10'000;
  prepare(set);
  EXPECT_EQ(choose(set, login(5)), 1U);
  set.backends[1].state->retry_at_ms = 1;
  EXPECT_NE(choose(set, login(5)), 1U);
  EXPECT_EQ(order(set, login(5)).order.back(), 1U);
}

TEST_P(EveryPolicy, EveryHashAndEveryWeightHasAnAnswer) {
  BackendSet set = make_set(2, GetParam());
  set.backends[0].weight = std::numeric_limits<unsigned>::max();
  prepare(set);
  for (const std::uint64_t value :
       {std::uint64_t{0}, set.backends[0].hash, ~set.backends[1].hash, ~std::uint64_t{0}}) {
    const Request request{
        .user = value, .source = value, .random = value, .turn = value, .now_ms = 0};
    EXPECT_EQ(order(set, request).order.size(), 2U);
    EXPECT_TRUE(choose(set, request));
  }
}

TEST_P(EveryPolicy, ADecisionAllocatesNothing) {
  BackendSet set = make_set(300, GetParam());
  set.load_bound = 125;
  set.backends[0].share = 100;
  prepare(set);
  const std::size_t before = allocations;
  std::uint64_t sum = 0;
  for (std::size_t n = 0; n < 1000; ++n) {
    sum +=
        choose(set, {.user = n, .source = n, .random = n * 0x9e3779b97f4a7c15, .turn = n}).value();
  }
  EXPECT_EQ(allocations, before);
  EXPECT_GT(sum + 1, 0U);
}

TEST_P(EveryPolicy, SaysInWordsWhy) {
  BackendSet set = make_set(3, GetParam());
  const std::uint32_t at = chosen(set, 1);
  EXPECT_THAT(explain(set, login(1), at), HasSubstr(fmt::format("policy {}: ", name(GetParam()))));
  EXPECT_THAT(explain(set, login(1), at), HasSubstr("weight 100 of 300 in the pool"));
  set.backends[at].backup = true;
  prepare(set);
  EXPECT_THAT(explain(set, login(1), at), HasSubstr("a backup, since no other backend is up"));
  set.backends[at].backup = false;
  set.backends[at].share = 205;
  prepare(set);
  EXPECT_THAT(explain(set, login(1), at), HasSubstr("2.05 % of the pool's users"));
}

INSTANTIATE_TEST_SUITE_P(All, EveryPolicy, testing::ValuesIn(kPolicies),
                         [](const auto& parameter) { return std::string(name(parameter.param)); });

TEST(LoadBound, NoBackendIsAboveIt) {
  for (const unsigned count : {3U, 30U, 300U}) {
    for (const unsigned percent : {100U, 110U, 125U}) {
      BackendSet set = make_set(count);
      set.backends[0].weight = 300;
      set.load_bound = percent;
      prepare(set);
      constexpr std::size_t kSome = 20'000;
      const auto counts = fill(set, kSome);
      for (std::size_t at = 0; at < count; ++at) {
        const double share = kSome * set.backends[at].weight / total_weight(set);
        ASSERT_LE(counts[at], std::ceil(share * percent / 100)) << count << ' ' << at;
      }
    }
  }
}

TEST(LoadBound, ABackendWithRoomIsTheBestOneOfTheHash) {
  BackendSet set = make_set(30);
  const BackendSet unbounded = make_set(30);
  set.load_bound = 125;
  std::size_t elsewhere = 0;
  constexpr std::size_t kSome = 30'000;
  for (std::size_t n = 0; n < kSome; ++n) {
    const std::uint32_t at = chosen(set, n);
    elsewhere += at != chosen(unbounded, n) ? 1U : 0U;
    ++set.backends[at].state->sessions;
  }
  // Thirty thousand users over thirty backends spread by about 3 %: a bound of 25 % hardly bites.
  EXPECT_LT(elsewhere, kSome / 100);
}

TEST(LoadBound, SumsOfAWhileAgoNeitherOverfillABackendNorLeaveAUserWithout) {
  for (const std::uint64_t random : {0, 1}) {  // 0 makes every decision look at all backends
    BackendSet set = make_set(30);
    set.load_bound = 110;
    prepare(set);
    for (std::uint64_t n = 0; n < 3000; ++n) {
      const auto at = choose(set, {.user = user_key(std::to_string(n)), .random = random});
      ASSERT_TRUE(at) << n;
      ++set.backends[*at].state->sessions;
    }
    for (const Backend& backend : set.backends) {
      EXPECT_LE(sessions_of(backend), 110) << random;
    }
  }
}

TEST(LowestBids, ComeInOrderWhateverTheWeights) {
  for (const unsigned weights : {1U, 3U, 40U}) {  // of so many, each is asked by itself
    BackendSet set = make_set(40);
    for (unsigned at = 0; at < 40; ++at) {
      set.backends[at].weight = 100 + at % weights;
    }
    prepare(set);
    for (std::uint64_t key = 1; key < 200; ++key) {
      const auto all = order(set, {.user = key}).order;
      LowestBids bids(set, key, Slot::Kind::kOrdinary);
      for (unsigned n = 0; n < LowestBids::kMost; ++n) {
        ASSERT_EQ(bids.next(), all[n]) << weights << ' ' << key << ' ' << n;
      }
    }
  }
  BackendSet few = make_set(2);
  prepare(few);
  LowestBids bids(few, 1, Slot::Kind::kOrdinary);
  EXPECT_NE(bids.next(), bids.next());
  EXPECT_EQ(bids.next(), std::nullopt);
}

TEST(LoadBound, ADownBackendCountsNeitherItsSessionsNorItsWeight) {
  BackendSet set = make_set(3);
  set.load_bound = 100;
  set.backends[0].state->sessions = 1'000'000;
  set.backends[0].state->retry_at_ms = 1;
  const auto counts = fill(set, 3000);
  EXPECT_EQ(counts, (std::vector<double>{0, 1500, 1500}));
}

TEST(RoundRobin, EqualWeightsTakeStrictTurns) {
  const BackendSet set = make_set(5, Policy::kRoundRobin);
  for (std::size_t begin = 0; begin < 20; ++begin) {
    std::set<std::uint32_t> seen;
    for (std::size_t turn = begin; turn < begin + 5; ++turn) {
      seen.insert(chosen(set, turn));
    }
    EXPECT_EQ(seen.size(), 5U);
  }
}

TEST(RoundRobin, UnequalWeightsAreExactInEachCycleAndSpreadWithinIt) {
  BackendSet set = make_set(3, Policy::kRoundRobin);
  set.backends[0].weight = 500;
  prepare(set);
  std::map<std::uint32_t, int> counts;
  std::size_t in_a_row = 0;
  std::size_t longest = 0;
  for (std::size_t turn = 0; turn < 7; ++turn) {
    const std::uint32_t at = chosen(set, turn);
    ++counts[at];
    in_a_row = at == 0 ? in_a_row + 1 : 0;
    longest = std::max(longest, in_a_row);
  }
  EXPECT_EQ(counts, (std::map<std::uint32_t, int>{{0, 5}, {1, 1}, {2, 1}}));
  EXPECT_LT(longest, 5U);
}

TEST(LeastSessions, GoesWhereTheFewestAreByWeight) {
  BackendSet set = make_set(3, Policy::kLeastSessions);
  set.backends[1].weight = 200;
  prepare(set);
  set.backends[0].state->sessions = 10;
  set.backends[1].state->sessions = 18;
  set.backends[2].state->sessions = 12;
  EXPECT_EQ(chosen(set, 1), 1U);
  EXPECT_EQ(order(set, login(1)).order, (std::vector<std::uint32_t>{1, 0, 2}));
}

TEST(LeastSessions, AnEmptyPoolIsNotFilledFromOneEnd) {
  const BackendSet set = make_set(30, Policy::kLeastSessions);
  std::set<std::uint32_t> seen;
  for (std::size_t n = 0; n < 1000; ++n) {
    seen.insert(chosen(set, n));
  }
  EXPECT_EQ(seen.size(), 30U);
}

TEST(PowerOfTwo, KeepsTheFullestCloseToTheEmptiest) {
  const auto spread = [](Policy policy) {
    const auto counts = fill(make_set(30, policy), 60'000);
    return *std::ranges::max_element(counts) - *std::ranges::min_element(counts);
  };
  EXPECT_LT(spread(Policy::kPowerOfTwo), 12);
  EXPECT_GT(spread(Policy::kRandom), 60);
}

// Each has less load than the one before, so that of a pair the later one wins.
TEST(PowerOfTwo, DrawsTwoByWeightWithoutPuttingTheFirstBack) {
  BackendSet set = make_set(0, Policy::kPowerOfTwo);
  const std::array<double, 4> weights = {100, 100, 200, 400};
  for (unsigned at = 0; at < weights.size(); ++at) {
    set.backends.push_back(make_backend(at, static_cast<unsigned>(weights[at])));
    set.backends[at].state->sessions = static_cast<std::int64_t>(1'000'000 / std::pow(10, at));
  }
  prepare(set);
  std::array<double, 4> counts{};
  for (std::size_t n = 0; n < kUsers; ++n) {
    ++counts[choose(set, login(n)).value()];
  }
  for (std::size_t at = 0; at < weights.size(); ++at) {
    double expected = 0;
    for (std::size_t other = 0; other < at; ++other) {
      const double both = weights[at] * weights[other] / 800;
      expected += both / (800 - weights[at]) + both / (800 - weights[other]);
    }
    EXPECT_NEAR(counts[at] / kUsers, expected, 0.01) << at;
  }
}

TEST(PowerOfTwo, OneBackendIsDrawnAlone) {
  BackendSet set = make_set(1, Policy::kPowerOfTwo);
  for (std::size_t n = 0; n < 1000; ++n) {
    ASSERT_EQ(choose(set, login(n)), 0U);
  }
}

TEST(First, FillsOneBackendAfterTheOther) {
  BackendSet set = make_set(3, Policy::kFirst);
  set.backends[0].max_sessions = 5;
  set.backends[1].max_sessions = 5;
  prepare(set);
  EXPECT_EQ(fill(set, 12), (std::vector<double>{5, 5, 2}));
}

}  // namespace
}  // namespace headgate::balance
