#include "base/secret.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace headgate {
namespace {

TEST(Secret, KeepsWhatIsAppendedAcrossGrowth) {
  Secret secret;
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    secret.append("0123456789");
    expected += "0123456789";
  }
  EXPECT_EQ(secret.view(), expected);
  EXPECT_EQ(secret.size(), expected.size());
}

TEST(Secret, ConsumesFromTheFront) {
  Secret secret("hello world");
  secret.consume(6);
  EXPECT_EQ(secret.view(), "world");
  secret.append('!');
  EXPECT_EQ(secret.view(), "world!");
  secret.consume(6);
  EXPECT_TRUE(secret.empty());
}

TEST(Secret, WipesWhatIsConsumedAtOnce) {
  Secret secret("password");
  const char* memory = secret.view().data();
  secret.consume(4);
  EXPECT_EQ(std::string_view(memory, 4), std::string_view("\0\0\0\0", 4));
  EXPECT_EQ(secret.view(), "word");
}

TEST(Secret, WipesTheOldPlaceWhenTheBytesMoveDown) {
  Secret secret(std::string(60, 'a'));
  const char* memory = secret.view().data();
  secret.consume(58);
  secret.append("bcdefgh");  // does not fit behind, and fits below
  EXPECT_EQ(secret.view(), "aabcdefgh");
  EXPECT_EQ(std::string_view(memory + 9, 51), std::string(51, '\0'));
}

TEST(Secret, DoesNotGrowWhenFilledAndConsumedInTurns) {
  Secret secret;
  secret.append("0123456789");
  const char* memory = secret.view().data();
  for (int i = 0; i < 1000; ++i) {
    secret.append("0123456789");
    secret.consume(10);
  }
  EXPECT_EQ(secret.view(), "0123456789");
  EXPECT_LT(secret.view().data() - memory, 64);
}

TEST(Secret, LeavesNothingBehindWhenMovedFrom) {
  Secret from("password");
  Secret to(std::move(from));
  EXPECT_EQ(to.view(), "password");
  EXPECT_TRUE(from.empty());  // NOLINT(bugprone-use-after-move): the promise under test
  Secret assigned("other");
  assigned = std::move(to);
  EXPECT_EQ(assigned.view(), "password");
  EXPECT_TRUE(to.empty());  // NOLINT(bugprone-use-after-move): the promise under test
  assigned.append("s");
  EXPECT_EQ(assigned.view(), "passwords");
}

TEST(Secret, ClonesOnRequest) {
  Secret secret("password");
  Secret copy = secret.clone();
  secret.clear();
  EXPECT_EQ(copy.view(), "password");
  EXPECT_EQ(secret.size(), 0U);
}

TEST(Secret, ComparesByBytes) {
  const Secret secret(std::string_view("pass\0word", 9));
  EXPECT_TRUE(secret.equals(std::string_view("pass\0word", 9)));
  EXPECT_FALSE(secret.equals("pass"));
  EXPECT_FALSE(secret.equals(std::string_view("pass\0worD", 9)));
  EXPECT_TRUE(Secret().equals(""));
}

}  // namespace
}  // namespace headgate
