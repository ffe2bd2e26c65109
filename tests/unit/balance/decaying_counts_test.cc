#include "balance/decaying_counts.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace headgate::balance {
namespace {

constexpr std::int64_t kSecond = 1000;

TEST(DecayingCounts, CountsEachKeyByItself) {
  DecayingCounts counts(64, 1.0, 7);
  EXPECT_EQ(counts.count(1, 0), 0);
  EXPECT_EQ(counts.add(1, 0), 1);
  EXPECT_EQ(counts.add(1, 0), 2);
  EXPECT_EQ(counts.add(2, 0), 1);
  EXPECT_EQ(counts.count(1, 0), 2);
  EXPECT_EQ(counts.count(3, 0), 0);
  EXPECT_EQ(counts.keys(), 2U);
}

TEST(DecayingCounts, FallsAtItsRateAndNeverBelowNothing) {
  DecayingCounts counts(64, 0.5, 7);
  for (int i = 0; i < 10; ++i) {
    counts.add(1, 5 * kSecond);
  }
  EXPECT_DOUBLE_EQ(counts.count(1, 9 * kSecond), 8);
  EXPECT_DOUBLE_EQ(counts.add(1, 9 * kSecond), 9);
  EXPECT_DOUBLE_EQ(counts.count(1, 19 * kSecond), 4);
  EXPECT_EQ(counts.count(1, 99 * kSecond), 0);
  EXPECT_EQ(counts.add(1, 99 * kSecond), 1);
}

TEST(DecayingCounts, AClockThatIsBehindTakesNothingAway) {
  DecayingCounts counts(64, 1.0, 7);
  counts.add(1, 10 * kSecond);
  EXPECT_EQ(counts.count(1, 9 * kSecond), 1);
}

TEST(DecayingCounts, StopsAtTheMost) {
  DecayingCounts counts(64, 1.0, 7);
  counts.add(1, 0, 2);
  counts.add(1, 0, 2);
  EXPECT_EQ(counts.add(1, 0, 2), 2);
}

TEST(DecayingCounts, AKeyWithManyStaysWhenAMillionOthersPassBy) {
  DecayingCounts counts(4096, 0.001, 7);
  for (int i = 0; i < 100; ++i) {
    counts.add(42, 0);
  }
  for (std::uint64_t key = 1000; key < 1'001'000; ++key) {
    counts.add(key, 0);
  }
  EXPECT_EQ(counts.count(42, 0), 100);
  EXPECT_EQ(counts.keys(), 4096U);
  EXPECT_EQ(counts.bytes(), 4096U * 16);
}

TEST(DecayingCounts, OfEqualCountsTheOldestGoes) {
  DecayingCounts counts(8, 0.000001, 7);
  for (std::uint64_t key = 1; key <= 8; ++key) {
    counts.add(key, static_cast<std::int64_t>(key) * kSecond, 1);
  }
  counts.add(1, 9 * kSecond, 1);
  counts.add(9, 10 * kSecond, 1);
  EXPECT_GT(counts.count(1, 10 * kSecond), 0);
  EXPECT_EQ(counts.count(2, 10 * kSecond), 0);
  EXPECT_GT(counts.count(3, 10 * kSecond), 0);
}

TEST(DecayingCounts, ManyThreadsLoseNothing) {
  DecayingCounts counts(1024, 0, 7);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 10'000; ++j) {
        counts.add(5, 0);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(counts.count(5, 0), 40'000);
}

}  // namespace
}  // namespace headgate::balance
