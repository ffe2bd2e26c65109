#include "auth/pool_memory_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace headgate::auth {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Optional;

constexpr std::chrono::system_clock::time_point kNow{1'700'000'000s};

std::shared_ptr<PoolMemory> memory_of(std::vector<std::string> pools = {"old", "new", "newest"},
                                      std::size_t entries = 160) {
  return std::make_shared<PoolMemory>(
      PoolChain{.pools = std::move(pools), .remember = 1h, .entries = entries});
}

PoolMemoryRestored restore(std::string_view text, const PoolMemories& memories,
                           std::chrono::system_clock::time_point now = kNow) {
  const auto restored = restore_pool_memories(text, memories, now);
  EXPECT_TRUE(restored) << restored.error();
  return restored.value_or(PoolMemoryRestored{});
}

TEST(PoolMemoryText, WhatWasRememberedIsRememberedAgain) {
  const auto before = memory_of();
  before->learn("alice@example.org", 1);
  before->learn(
      "b\xC3\xB6"
      "b \"x\" ",
      2);
  const std::string text = pool_memory_text({before}, kNow);
  EXPECT_TRUE(text.starts_with("headgate pool memory 1\npools\told\tnew\tnewest\n")) << text;
  const auto after = memory_of();
  const PoolMemoryRestored restored = restore(text, {after}, kNow + 10s);
  EXPECT_EQ(restored.users, 2U);
  EXPECT_EQ(restored.left_out, 0U);
  EXPECT_THAT(after->find("alice@example.org"), Optional(1U));
  EXPECT_THAT(after->find("b\xC3\xB6"
                          "b \"x\" "),
              Optional(2U));
  EXPECT_EQ(after->size(), 2U);
}

TEST(PoolMemoryText, TheTimeGoesOnWhileNobodyRuns) {
  const auto before = memory_of();
  const auto clock = PoolMemory::Clock::now();
  before->learn("alice", 1, clock - 50min);
  const std::string text = pool_memory_text({before}, kNow);
  const auto after = memory_of();
  EXPECT_EQ(restore(text, {after}, kNow + 5min).users, 1U);
  EXPECT_THAT(after->find("alice"), Optional(1U));
  EXPECT_EQ(after->find("alice", PoolMemory::Clock::now() + 6min), std::nullopt);
  const auto late = memory_of();
  EXPECT_EQ(restore(text, {late}, kNow + 11min).left_out, 1U);
  EXPECT_EQ(late->find("alice"), std::nullopt);
}

TEST(PoolMemoryText, AClockThatWasSetBackKeepsNobodyLongerThanIsRemembered) {
  const auto before = memory_of();
  before->learn("alice", 1);
  const auto after = memory_of();
  EXPECT_EQ(restore(pool_memory_text({before}, kNow), {after}, kNow - 240h).users, 1U);
  EXPECT_EQ(after->find("alice", PoolMemory::Clock::now() + 61min), std::nullopt);
}

TEST(PoolMemoryText, PoolsGoByTheirNamesAndMemoriesByTheirPools) {
  const auto one = memory_of({"a", "b", "c"});
  const auto two = memory_of({"x", "y"});
  one->learn("alice", 1);
  one->learn("carol", 2);
  two->learn("alice", 1);
  const std::string text = pool_memory_text({one, two}, kNow);
  const auto turned = memory_of({"b", "c", "a"});
  const auto same = memory_of({"x", "y"});
  const auto other = memory_of({"x", "z"});
  const PoolMemoryRestored restored = restore(text, {turned, other, same});
  EXPECT_EQ(turned->find("alice"), std::nullopt) << "her pool is the first one now";
  EXPECT_THAT(turned->find("carol"), Optional(1U));
  EXPECT_THAT(same->find("alice"), Optional(1U));
  EXPECT_EQ(other->size(), 0U);
  EXPECT_EQ(restored.users, 2U);
  EXPECT_EQ(restored.left_out, 1U);
}

TEST(PoolMemoryText, AnotherListOfPoolsKeepsWhatIsKnownOfThoseThatRemain) {
  const auto before = memory_of({"old", "new", "gone"});
  before->learn("alice", 1);
  before->learn("bob", 2);
  const std::string text = pool_memory_text({before}, kNow);
  const auto stranger = memory_of({"x", "y"});
  const auto less = memory_of({"z", "new"});
  const auto after = memory_of({"old", "newest", "new"});
  const PoolMemoryRestored restored = restore(text, {stranger, less, after});
  EXPECT_THAT(after->find("alice"), Optional(2U));
  EXPECT_EQ(after->find("bob"), std::nullopt) << "his pool is no more";
  EXPECT_EQ(restored.users, 1U);
  EXPECT_EQ(restored.left_out, 1U);
  EXPECT_EQ(stranger->size(), 0U);
  EXPECT_EQ(less->size(), 0U) << "the other one has more of these pools";
}

TEST(PoolMemoryText, WhoHasALineOfItsOwnGetsNothingOfOthers) {
  const auto changed = memory_of({"a", "b", "c"});
  const auto kept = memory_of({"a", "b"});
  changed->learn("alice", 1);
  kept->learn("bob", 1);
  const std::string text = pool_memory_text({changed, kept}, kNow);
  const auto after = memory_of({"b", "a"});
  EXPECT_EQ(restore(text, {after}).left_out, 2U) << "its first pool is not remembered";
  const auto same = memory_of({"a", "b"});
  EXPECT_EQ(restore(text, {same}).users, 1U);
  EXPECT_EQ(same->find("alice"), std::nullopt);
  EXPECT_THAT(same->find("bob"), Optional(1U));
}

TEST(PoolMemoryText, WhatIsNewerStays) {
  const auto before = memory_of();
  before->learn("alice", 1);
  const std::string text = pool_memory_text({before}, kNow);
  const auto after = memory_of();
  after->learn("alice", 2);
  restore(text, {after});
  EXPECT_THAT(after->find("alice"), Optional(2U));
}

TEST(PoolMemoryText, LinesThatMakeNoSenseAreLeftOutAndTheOthersCount) {
  const std::string head = "headgate pool memory 1\n";
  const std::string pools = "pools\told\tnew\tnewest\n";
  const std::string good = "1700000100\tnew\talice\n";
  for (const std::string& bad :
       {std::string("\n"), std::string("x\n"), std::string("1700000100\tnew\n"),
        std::string("1700000100\tnew\t\n"), std::string("1700000100\told\tbob\n"),
        std::string("1700000100\tgone\tbob\n"), std::string("-1\tnew\tbob\n"),
        std::string("1699999999\tnew\tbob\n"), std::string("99999999999999999999\tnew\tbob\n"),
        std::string("9999999999999999\tnew\tbob\n"), std::string("17000001OO\tnew\tbob\n"),
        std::string("1700000100\tnew\tbo\tb\n"), std::string("1700000100\tnew\tbo\0b\n", 20),
        "1700000100\tnew\t" + std::string(513, 'b') + "\n", std::string("1700000100\tnew\tbo")}) {
    const auto memory = memory_of();
    const PoolMemoryRestored restored = restore(head + pools + good + bad, {memory});
    EXPECT_EQ(restored.users, 1U) << bad;
    EXPECT_EQ(restored.left_out, 1U) << bad;
    EXPECT_EQ(memory->size(), 1U) << bad;
    EXPECT_THAT(memory->find("alice"), Optional(1U)) << bad;
  }
  const auto nobody = memory_of();
  EXPECT_EQ(restore(head + good + pools, {nobody}).left_out, 1U) << "no pools before it";
}

TEST(PoolMemoryText, CutAtAnyByteItGivesNobodyAnotherName) {
  const auto before = memory_of();
  for (const char* user : {"alice", "bob@example.org", "carol"}) {
    before->learn(user, 2);
  }
  const std::string text = pool_memory_text({before}, kNow);
  for (std::size_t size = text.find('\n') + 1; size < text.size(); ++size) {
    const auto memory = memory_of();
    EXPECT_LT(restore(text.substr(0, size), {memory}).users, 3U) << size;
    for (const auto& known : memory->remembered(10'000)) {
      EXPECT_NE(before->find(known.user), std::nullopt) << known.user;
    }
  }
}

TEST(PoolMemoryText, AnotherFileIsAnError) {
  for (const char* text :
       {"", "\n", "{}", "headgate pool memory 2\n", "headgate pool memory 10\n"}) {
    const auto restored = restore_pool_memories(text, {memory_of()}, kNow);
    ASSERT_FALSE(restored) << text;
    EXPECT_THAT(restored.error(), HasSubstr("expected 'headgate pool memory 1'"));
  }
}

TEST(PoolMemoryText, IsBoundedAndKeepsWhoWasUsedLast) {
  const auto memory = memory_of({"old", "new"}, 200'000);
  const std::string filler(500, 'x');
  for (int i = 0; i < 100'000; ++i) {
    memory->learn(filler + std::to_string(100'000 + i), 1);
  }
  const std::string text = pool_memory_text({memory}, kNow);
  EXPECT_LE(text.size(), kLargestPoolMemoryText);
  EXPECT_GT(text.size(), kLargestPoolMemoryText / 2);
  EXPECT_TRUE(text.ends_with('\n'));
  const auto after = memory_of({"old", "new"}, 200'000);
  EXPECT_EQ(restore(text, {after}).left_out, 0U);
  EXPECT_THAT(after->find(filler + "199999"), Optional(1U));
  EXPECT_EQ(after->find(filler + "100000"), std::nullopt);
}

TEST(PoolMemoryText, TheOrderOfUseSurvives) {
  const auto before = memory_of({"old", "new"}, 1600);
  for (int i = 0; i < 1000; ++i) {
    before->learn(std::to_string(i), 1);
  }
  const auto small = memory_of({"old", "new"}, 160);
  restore(pool_memory_text({before}, kNow), {small});
  EXPECT_THAT(small->find("999"), Optional(1U));
  EXPECT_EQ(small->find("0"), std::nullopt) << "who was used last takes the place of the others";
}

TEST(PoolMemory, ChangesAreCountedAndLookingIsNone) {
  const auto memory = memory_of();
  memory->learn("alice", 1);
  const std::uint64_t before = memory->changes();
  EXPECT_TRUE(memory->find("alice"));
  EXPECT_EQ(memory->remembered(1'000'000).size(), 1U);
  EXPECT_EQ(memory->changes(), before);
  memory->learn("alice", 0);
  EXPECT_GT(memory->changes(), before);
}

}  // namespace
}  // namespace headgate::auth
