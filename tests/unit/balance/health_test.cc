#include "balance/health.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "balance/policy.h"
#include "some_backends.h"

namespace headgate::balance {
namespace {

constexpr HealthRules kRules{.rise = 2,
                             .fall = 3,
                             .interval_ms = 5000,
                             .failed_interval_ms = 1000,
                             .slow_start_ms = 10'000,
                             .panic_below = 5000,
                             .slow = {}};

TEST(BackendHealth, TheFirstCheckDecidesByItself) {
  BackendHealth bad;
  EXPECT_TRUE(bad.up());
  EXPECT_TRUE(bad.note_check(kRules, false, 0));
  EXPECT_FALSE(bad.up());
  BackendHealth good;
  EXPECT_FALSE(good.note_check(kRules, true, 0));
  EXPECT_TRUE(good.up());
  EXPECT_EQ(good.tenths(kRules, 0), kWholeTenths) << "nothing starts slowly with the proxy";
}

TEST(BackendHealth, FallsAndRisesAfterAsManyInARowAsTheRulesSay) {
  BackendHealth health;
  health.note_check(kRules, true, 0);
  for (const bool passed : {false, false, true, false, false}) {
    EXPECT_FALSE(health.note_check(kRules, passed, 0));
    EXPECT_TRUE(health.up());
  }
  EXPECT_TRUE(health.note_check(kRules, false, 0));
  EXPECT_FALSE(health.up());
  for (const bool passed : {false, true, false, true}) {
    EXPECT_FALSE(health.note_check(kRules, passed, 0));
    EXPECT_FALSE(health.up());
  }
  EXPECT_TRUE(health.note_check(kRules, true, 0));
  EXPECT_TRUE(health.up());
}

TEST(BackendHealth, WhenBackItsWeightGrowsByTenths) {
  BackendHealth health;
  health.note_check(kRules, false, 0);
  health.note_check(kRules, true, 500);
  EXPECT_EQ(health.tenths(kRules, 500), kWholeTenths) << "not back yet";
  health.note_check(kRules, true, 1000);
  std::uint32_t before = 0;
  for (std::int64_t now = 1000; now < 11'000; now += 1000) {
    EXPECT_EQ(health.tenths(kRules, now), before + 1);
    EXPECT_EQ(health.tenths(kRules, now + 999), before + 1);
    ++before;
  }
  EXPECT_EQ(health.tenths(kRules, 11'000), kWholeTenths);
  HealthRules at_once = kRules;
  at_once.slow_start_ms = 0;
  EXPECT_EQ(health.tenths(at_once, 1000), kWholeTenths);
}

TEST(BackendHealth, IsCheckedMoreOftenAfterAFailureAndNeverInStep) {
  BackendHealth health;
  health.note_check(kRules, true, 0);
  std::set<std::int64_t> delays;
  for (std::uint64_t random = 0; random < 5000; ++random) {
    delays.insert(health.next_after(kRules, random));
  }
  EXPECT_EQ(*delays.begin(), 4500);
  EXPECT_EQ(*delays.rbegin(), 5500);
  EXPECT_GT(delays.size(), 1000U);
  health.note_check(kRules, false, 0);
  EXPECT_TRUE(health.up());
  EXPECT_LE(health.next_after(kRules, 12345), 1100);
}

PoolHealth make_pool(std::vector<PoolHealth::Member> members) {
  return {kRules, std::move(members)};
}

PoolHealth of_weights(std::initializer_list<unsigned> weights) {
  std::vector<PoolHealth::Member> members;
  for (const unsigned weight : weights) {
    members.push_back({.weight = weight, .backup = false, .health = {}});
  }
  return make_pool(std::move(members));
}

TEST(PoolHealth, TakesOutWhatFailsWhileEnoughPass) {
  PoolHealth pool = of_weights({100, 100});
  EXPECT_TRUE(pool.note_check(0, false, 0));
  EXPECT_FALSE(pool.panic());
  EXPECT_TRUE(pool.taken_out(0));
  EXPECT_FALSE(pool.taken_out(1));
  EXPECT_EQ(pool.state(0, false, 0), HealthState::kDown);
  EXPECT_EQ(pool.state(1, false, 0), HealthState::kUp);
  EXPECT_EQ(pool.state(1, true, 0), HealthState::kFailed);
  EXPECT_EQ(pool.passing(), 1U);
}

TEST(PoolHealth, DoesNotBelieveTheChecksWhenMostFail) {
  PoolHealth pool = of_weights({100, 100, 100});
  pool.note_check(0, false, 0);
  EXPECT_TRUE(pool.taken_out(0));
  pool.note_check(1, false, 0);
  EXPECT_TRUE(pool.panic());
  EXPECT_FALSE(pool.taken_out(0));
  EXPECT_FALSE(pool.taken_out(1));
  EXPECT_EQ(pool.state(0, false, 0), HealthState::kPanic);
  EXPECT_EQ(pool.state(2, false, 0), HealthState::kUp);
  pool.note_check(1, true, 0);
  EXPECT_TRUE(pool.panic()) << "rise is 2";
  pool.note_check(1, true, 0);
  EXPECT_FALSE(pool.panic());
  EXPECT_TRUE(pool.taken_out(0));
  EXPECT_EQ(pool.state(1, false, 0), HealthState::kStarting);
  EXPECT_EQ(pool.tenths(1, 0), 1U);
}

TEST(PoolHealth, CountsWeightsAndNoBackendWithout) {
  PoolHealth pool = of_weights({300, 100, 0});
  pool.note_check(1, false, 0);
  EXPECT_FALSE(pool.panic());
  pool.note_check(2, false, 0);
  EXPECT_FALSE(pool.panic());
  PoolHealth other = of_weights({300, 100, 0});
  other.note_check(0, false, 0);
  EXPECT_TRUE(other.panic());
}

TEST(PoolHealth, BelievesTheChecksWhileABackupPasses) {
  PoolHealth pool = make_pool({{.weight = 100, .backup = false, .health = {}},
                               {.weight = 100, .backup = true, .health = {}}});
  pool.note_check(0, false, 0);
  EXPECT_TRUE(pool.taken_out(0));
  pool.note_check(1, false, 0);
  EXPECT_TRUE(pool.panic());
  EXPECT_FALSE(pool.taken_out(0));
}

TEST(PoolHealth, NeverPanicsAtZero) {
  HealthRules rules = kRules;
  rules.panic_below = 0;
  PoolHealth pool(rules, {{.weight = 100, .backup = false, .health = {}}});
  pool.note_check(0, false, 0);
  EXPECT_FALSE(pool.panic());
  EXPECT_TRUE(pool.taken_out(0));
}

TEST(PoolHealth, GoesOnWithWhatWasKnown) {
  BackendHealth known;
  known.note_check(kRules, false, 0);
  const PoolHealth pool = make_pool({{.weight = 100, .backup = false, .health = known},
                                     {.weight = 100, .backup = false, .health = {}}});
  EXPECT_TRUE(pool.taken_out(0));
  EXPECT_FALSE(pool.taken_out(1));
}

TEST(PoolHealth, TakesWeightFromASlowBackend) {
  HealthRules rules = kRules;
  rules.slow = {
      .on = true, .multiple = 3, .above_us = 100'000, .least_logins = 20, .most_share = 5000};
  PoolHealth pool(
      rules, std::vector<PoolHealth::Member>(4, {.weight = 100, .backup = false, .health = {}}));
  std::vector<PoolHealth::LoginTimes> times(4, {.logins = 50, .p95_us = 10'000});
  times[1].p95_us = 900'000;
  pool.note_login_times(times);
  EXPECT_EQ(pool.tenths(1, 0), 5U);
  EXPECT_EQ(pool.state(1, false, 0), HealthState::kSlow);
  EXPECT_EQ(pool.state(0, false, 0), HealthState::kUp);
  PoolHealth fresh(
      rules, std::vector<PoolHealth::Member>(4, {.weight = 100, .backup = false, .health = {}}));
  fresh.take_shift_from(pool);
  EXPECT_EQ(fresh.tenths(1, 0), 5U);
  times[1].p95_us = 20'000;
  for (int step = 0; step < 5; ++step) {
    EXPECT_EQ(pool.state(1, false, 0), HealthState::kSlow);
    pool.note_login_times(times);
  }
  EXPECT_EQ(pool.state(1, false, 0), HealthState::kUp);
}

// What the policies make of it.

TEST(TakenOut, ABackendIsTriedLastUntilItIsBroughtBack) {
  BackendState state;
  note_taken_out(state);
  EXPECT_TRUE(is_taken_out(state));
  note_success(state);
  EXPECT_TRUE(is_taken_out(state)) << "a login does not bring it back";
  note_failure(state, 1000, 100, 0);
  EXPECT_TRUE(is_taken_out(state));
  EXPECT_EQ(state.failures.load(), 1U);
  EXPECT_GE(state.failures_in_a_row.load(), kFailuresToLeave);
  note_brought_back(state);
  EXPECT_FALSE(is_taken_out(state));
  EXPECT_EQ(state.retry_at_ms.load(), 0);
  EXPECT_EQ(state.failures_in_a_row.load(), 0U);
}

TEST(TakenOut, ItsUsersGoToTheOthersAndComeBack) {
  BackendSet set = make_set(3);
  const std::uint32_t home = choose(set, {.user = 42}).value();
  note_taken_out(*set.backends[home].state);
  for (std::int64_t now : {std::int64_t{0}, std::int64_t{1} << 50}) {
    EXPECT_NE(choose(set, {.user = 42, .now_ms = now}), home);
    EXPECT_EQ(order(set, {.user = 42, .now_ms = now}).order.back(), home);
  }
  note_brought_back(*set.backends[home].state);
  EXPECT_EQ(choose(set, {.user = 42}), home);
}

TEST(SlowStart, MovesUsersToTheBackendThatStartsAndNoOthers) {
  BackendSet set = make_set(4);
  set.backends[1].weight = 1;
  prepare(set);
  const auto placed = [&] {
    std::vector<std::uint32_t> where;
    for (std::size_t user = 0; user < 20'000; ++user) {
      where.push_back(choose(set, {.user = all_users()[user]}).value());
    }
    return where;
  };
  const auto whole = placed();
  std::vector<std::uint32_t> before;
  std::ptrdiff_t share_before = 0;
  for (std::uint32_t tenths = 1; tenths <= kWholeTenths; ++tenths) {
    set.backends[0].state->tenths.store(tenths);
    prepare(set);
    const auto now = placed();
    const std::ptrdiff_t share = std::ranges::count(now, 0U);
    EXPECT_GT(share, share_before);
    for (std::size_t user = 0; user < before.size(); ++user) {
      EXPECT_TRUE(now[user] == before[user] || now[user] == 0);
    }
    before = now;
    share_before = share;
  }
  EXPECT_EQ(before, whole) << "nothing is left of it in the end";
}

}  // namespace
}  // namespace headgate::balance
