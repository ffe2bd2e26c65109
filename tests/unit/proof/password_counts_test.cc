#include "proof/password_counts.h"

#include <gtest/gtest.h>

#include <string>

namespace headgate::proof {
namespace {

TEST(PasswordCounts, NamesThatAreNotThereLookLikeThoseThatAre) {
  PasswordCounts counts;
  EXPECT_EQ(counts.draw("nobody"), 1U);
  for (int i = 0; i < 750; ++i) {
    counts.note(1);
  }
  for (int i = 0; i < 250; ++i) {
    counts.note(4);
  }
  int four = 0;
  for (int i = 0; i < 4000; ++i) {
    const std::size_t drawn = counts.draw("user" + std::to_string(i));
    ASSERT_TRUE(drawn == 1 || drawn == 4);
    four += drawn == 4 ? 1 : 0;
  }
  EXPECT_GT(four, 800);
  EXPECT_LT(four, 1200);
}

TEST(PasswordCounts, TheSameNameDrawsTheSameNumberEachTime) {
  PasswordCounts counts;
  counts.note(1);
  counts.note(16);
  for (int i = 0; i < 100; ++i) {
    const std::string user = "user" + std::to_string(i);
    EXPECT_EQ(counts.draw(user), counts.draw(user));
  }
}

}  // namespace
}  // namespace headgate::proof
