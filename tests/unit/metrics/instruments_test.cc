#include "metrics/instruments.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

namespace headgate::metrics {
namespace {

using namespace std::chrono_literals;

TEST(Instruments, ACounterCountsAndAGaugeGoesBothWays) {
  Counter counter;
  counter.add();
  counter.add(41);
  EXPECT_EQ(counter.value(), 42U);
  Gauge gauge;
  gauge.add(3);
  gauge.subtract(5);
  EXPECT_EQ(gauge.value(), -2);
  gauge.set(7);
  EXPECT_EQ(gauge.value(), 7);
}

TEST(Instruments, ADurationFallsIntoTheFirstBucketThatHoldsIt) {
  Histogram histogram(kLoginBounds);
  histogram.observe(0us);
  histogram.observe(1ms);     // bounds are inclusive
  histogram.observe(1001us);  // one past the first
  histogram.observe(30s);
  histogram.observe(31s);  // past the last
  EXPECT_EQ(histogram.count(0), 2U);
  EXPECT_EQ(histogram.count(1), 1U);
  EXPECT_EQ(histogram.count(kHistogramBounds - 1), 1U);
  EXPECT_EQ(histogram.count(kHistogramBounds), 1U);
  EXPECT_EQ(histogram.sum_us(), 61'002'001U);
}

TEST(Instruments, ANegativeDurationCountsAsZero) {
  Histogram histogram(kSessionBounds);
  histogram.observe(-5s);
  EXPECT_EQ(histogram.count(0), 1U);
  EXPECT_EQ(histogram.sum_us(), 0U);
}

TEST(Instruments, BoundsAscend) {
  for (const Bounds& bounds : {kLoginBounds, kSessionBounds, kLagBounds}) {
    EXPECT_EQ(std::ranges::adjacent_find(bounds, std::ranges::greater_equal{}), bounds.end());
  }
}

}  // namespace
}  // namespace headgate::metrics
