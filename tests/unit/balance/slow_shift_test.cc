#include "balance/slow_shift.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace headgate::balance {
namespace {

using Measured = SlowShift::Measured;

constexpr SlowRules kRules{
    .on = true, .multiple = 3, .above_us = 100'000, .least_logins = 20, .most_share = 3000};

Measured taking(std::uint64_t p95_us, unsigned weight = 100) {
  return {.weight = weight, .up = true, .logins = 50, .p95_us = p95_us};
}

TEST(SlowShift, HalvesWhatASlowBackendHasAndGivesItBackByTenths) {
  SlowShift shift;
  std::vector<Measured> pool(5, taking(50'000));
  shift.step(kRules, pool);
  EXPECT_EQ(shift.tenths(0), 10U);
  pool[2] = taking(400'000);
  for (const unsigned expected : {5U, 2U, 1U, 1U}) {
    shift.step(kRules, pool);
    EXPECT_EQ(shift.tenths(2), expected);
    EXPECT_EQ(shift.tenths(0), 10U);
  }
  pool[2] = taking(60'000);
  for (unsigned expected = 2; expected <= 10; ++expected) {
    shift.step(kRules, pool);
    EXPECT_EQ(shift.tenths(2), expected);
  }
}

TEST(SlowShift, AsksForAMultipleOfTheOthersAndForMoreThanTheFloor) {
  SlowShift shift;
  const std::vector<Measured> all_slow(4, taking(800'000));
  shift.step(kRules, all_slow);
  const std::vector<Measured> quick = {taking(90'000), taking(2'000), taking(2'000)};
  shift.step(kRules, quick);
  const std::vector<Measured> alone = {taking(800'000)};
  shift.step(kRules, alone);
  for (std::size_t at = 0; at < 4; ++at) {
    EXPECT_EQ(shift.tenths(at), 10U);
  }
}

TEST(SlowShift, SaysNothingOfABackendWithFewLoginsAndLetsItBack) {
  SlowShift shift;
  std::vector<Measured> pool(5, taking(50'000));
  pool[0] = taking(400'000);
  shift.step(kRules, pool);
  EXPECT_EQ(shift.tenths(0), 5U);
  pool[0].logins = 19;
  shift.step(kRules, pool);
  EXPECT_EQ(shift.tenths(0), 6U);
}

TEST(SlowShift, TakesTheSlowestFirstAndNoMoreThanTheShare) {
  SlowShift shift;
  std::vector<Measured> pool(10, taking(50'000));
  for (std::size_t at = 0; at < 4; ++at) {
    pool[at] = taking(400'000 + 100'000 * at);
  }
  for (int step = 0; step < 5; ++step) {
    shift.step(kRules, pool);
  }
  // Of 30 % of the pool, three times nine tenths and three more.
  EXPECT_EQ(shift.tenths(3), 1U);
  EXPECT_EQ(shift.tenths(2), 1U);
  EXPECT_EQ(shift.tenths(1), 1U);
  EXPECT_EQ(shift.tenths(0), 7U);
}

TEST(SlowShift, GivesBackWhatIsTooMuchWhenAnotherBackendGoesDown) {
  SlowShift shift;
  std::vector<Measured> pool(5, taking(50'000));
  pool[0] = taking(400'000);
  for (int step = 0; step < 3; ++step) {
    shift.step(kRules, pool);
  }
  EXPECT_EQ(shift.tenths(0), 1U);
  pool[1].up = false;
  shift.step(kRules, pool);
  EXPECT_EQ(shift.tenths(0), 5U) << "a fifth is down, a tenth is left";
  pool[2].up = false;
  shift.step(kRules, pool);
  EXPECT_EQ(shift.tenths(0), 10U);
}

TEST(SlowShift, NeverTakesMoreThanTheShareWhateverIsMeasured) {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    SlowShift shift;
    std::vector<Measured> pool(1 + random() % 12);
    for (int step = 0; step < 20; ++step) {
      std::uint64_t all = 0;
      std::uint64_t down = 0;
      for (Measured& one : pool) {
        one = {.weight = static_cast<unsigned>(random() % 200),
               .up = random() % 8 != 0,
               .logins = random() % 60,
               .p95_us = random() % 4 == 0 ? 900'000U : 40'000U};
        all += one.weight;
        down += one.up ? 0 : one.weight;
      }
      shift.step(kRules, pool);
      std::uint64_t away = 0;
      for (std::size_t at = 0; at < pool.size(); ++at) {
        ASSERT_GE(shift.tenths(at), 1U);
        ASSERT_LE(shift.tenths(at), 10U);
        away += std::uint64_t{pool[at].weight} * (10 - shift.tenths(at));
      }
      ASSERT_TRUE(away == 0 || (away + down * 10) * 10'000 <= all * 10 * 3000);
    }
  }
}

TEST(SlowShift, IsOffUnlessItIsAskedFor) {
  SlowShift shift;
  std::vector<Measured> pool(3, taking(1000));
  pool[0] = taking(9'000'000);
  shift.step({}, pool);
  EXPECT_EQ(shift.tenths(0), 10U);
  EXPECT_EQ(shift.tenths(77), 10U);
}

}  // namespace
}  // namespace headgate::balance
