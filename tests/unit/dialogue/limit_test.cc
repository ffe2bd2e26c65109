#include "dialogue/limit.h"

#include <gtest/gtest.h>

#include <set>

namespace headgate::dialogue {
namespace {

TEST(Limits, EveryOneHasItsOwnName) {
  std::set<std::string_view> names;
  for (const Limit limit : all_limits()) {
    EXPECT_FALSE(name(limit).empty());
    EXPECT_TRUE(names.insert(name(limit)).second) << name(limit);
  }
  EXPECT_EQ(names.size(), kLimitCount);
  EXPECT_EQ(name(Limit::kTotalBytes), "total_bytes");
  EXPECT_EQ(name(Limit::kSessions), "sessions");
}

TEST(Limits, HitsAreCountedEachForItself) {
  LimitHits hits;
  hits.add(Limit::kLiteral);
  hits.add(Limit::kLiteral);
  hits.add(Limit::kTime);
  EXPECT_EQ(hits.count(Limit::kLiteral), 2U);
  EXPECT_EQ(hits.count(Limit::kTime), 1U);
  EXPECT_EQ(hits.count(Limit::kLine), 0U);
}

}  // namespace
}  // namespace headgate::dialogue
