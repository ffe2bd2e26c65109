#include "balance/latency.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace headgate::balance {
namespace {

TEST(LatencyBucket, HoldsWhatIsBelowItsBoundAndNotBelowTheOneBefore) {
  for (std::uint64_t us = 0; us < 40'000'000; us += us / 50 + 1) {
    const std::size_t bucket = latency_bucket(us);
    ASSERT_LT(bucket, kLatencyBuckets);
    if (bucket + 1 < kLatencyBuckets) {
      ASSERT_LT(us, latency_bound_us(bucket));
    }
    if (bucket > 0) {
      ASSERT_GE(us, latency_bound_us(bucket - 1));
    }
  }
  EXPECT_EQ(latency_bucket(~std::uint64_t{0}), kLatencyBuckets - 1);
}

TEST(LatencyBucket, IsAtMostAQuarterWide) {
  for (std::size_t bucket = 1; bucket < kLatencyBuckets; ++bucket) {
    EXPECT_GT(latency_bound_us(bucket), latency_bound_us(bucket - 1));
    EXPECT_LE(latency_bound_us(bucket) * 4, latency_bound_us(bucket - 1) * 5);
  }
}

TEST(LatencyWindow, ForgetsWhatIsOlderThanItsSteps) {
  LatencyCounter counter;
  counter.add(5'000'000);
  LatencyWindow window(counter.read());
  EXPECT_EQ(window.count(), 0U);
  EXPECT_EQ(window.percentile_us(95), 0U);
  for (int login = 0; login < 100; ++login) {
    counter.add(login < 90 ? 10'000 : 900'000);
  }
  window.step(counter.read());
  EXPECT_EQ(window.count(), 100U);
  EXPECT_EQ(window.percentile_us(50), latency_bound_us(latency_bucket(10'000)));
  EXPECT_EQ(window.percentile_us(90), latency_bound_us(latency_bucket(10'000)));
  EXPECT_EQ(window.percentile_us(95), latency_bound_us(latency_bucket(900'000)));
  for (std::size_t step = 1; step < LatencyWindow::kSteps; ++step) {
    counter.add(20'000);
    window.step(counter.read());
    EXPECT_EQ(window.count(), 100 + step);
  }
  window.step(counter.read());
  EXPECT_EQ(window.count(), LatencyWindow::kSteps - 1) << "the first step is over";
  EXPECT_EQ(window.percentile_us(100), latency_bound_us(latency_bucket(20'000)));
}

TEST(LatencyCounter, CountsFromAnyThread) {
  LatencyCounter counter;
  std::vector<std::thread> threads;
  for (int worker = 0; worker < 4; ++worker) {
    threads.emplace_back([&] {
      for (int login = 0; login < 1000; ++login) {
        counter.add(3000);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(counter.read()[latency_bucket(3000)], 4000U);
}

}  // namespace
}  // namespace headgate::balance
