#include "auth/pool_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace headgate::auth {
namespace {

using namespace std::chrono_literals;
using metrics::PoolFound;
using testing::ElementsAre;

std::shared_ptr<PoolMemory> memory_of(std::chrono::seconds remember = 60s) {
  return std::make_shared<PoolMemory>(
      PoolChain{.pools = {"old", "new", "newest"}, .remember = remember, .entries = 160});
}

// The pools in the order in which a login of alice would ask them.
std::vector<std::string> order(const std::shared_ptr<PoolMemory>& memory) {
  PoolTrial trial(memory, "alice");
  std::vector<std::string> pools = {trial.pool()};
  while (trial.next()) {
    pools.push_back(trial.pool());
  }
  return pools;
}

// A login of alice whom this pool lets in.
void log_in(const std::shared_ptr<PoolMemory>& memory, const std::string& pool) {
  PoolTrial trial(memory, "alice");
  while (trial.pool() != pool && trial.next()) {
  }
  trial.let_in();
}

std::uint64_t count(const PoolMemory& memory, std::size_t pool, PoolFound found) {
  return memory.logins()[pool].by[metrics::index(found)];
}

TEST(PoolTrial, PoolsAreAskedInTheirOrder) {
  const auto memory = memory_of();
  EXPECT_THAT(order(memory), ElementsAre("old", "new", "newest"));
  EXPECT_FALSE(PoolTrial(memory, "alice").remembered());
}

TEST(PoolTrial, WhereAUserWasLetInIsAskedFirst) {
  const auto memory = memory_of();
  log_in(memory, "newest");
  EXPECT_THAT(order(memory), ElementsAre("newest", "old", "new"));
  EXPECT_TRUE(PoolTrial(memory, "alice").remembered());
  EXPECT_EQ(PoolTrial(memory, "bob").pool(), "old");
}

TEST(PoolTrial, WhatIsRememberedChangesWithTheFirstLoginElsewhere) {
  const auto memory = memory_of();
  log_in(memory, "new");
  log_in(memory, "newest");
  EXPECT_THAT(order(memory), ElementsAre("newest", "old", "new"));
  EXPECT_EQ(memory->size(), 1U);
  log_in(memory, "old");
  EXPECT_THAT(order(memory), ElementsAre("old", "new", "newest"));
  EXPECT_EQ(memory->size(), 0U) << "the first pool is that of everybody else";
}

TEST(PoolTrial, ALoginThatFailsEverywhereChangesNothing) {
  const auto memory = memory_of();
  log_in(memory, "new");
  order(memory);
  EXPECT_THAT(order(memory), ElementsAre("new", "old", "newest"));
}

TEST(PoolTrial, LoginsCountByHowTheirPoolWasFound) {
  const auto memory = memory_of();
  log_in(memory, "new");
  log_in(memory, "new");
  log_in(memory, "old");
  log_in(memory, "old");
  EXPECT_EQ(count(*memory, 1, PoolFound::kTrial), 1U);
  EXPECT_EQ(count(*memory, 1, PoolFound::kMemory), 1U);
  EXPECT_EQ(count(*memory, 0, PoolFound::kTrial), 1U);
  EXPECT_EQ(count(*memory, 0, PoolFound::kOrder), 1U);
  EXPECT_EQ(memory->logins()[2].pool, "newest");
}

TEST(PoolMemory, ForgetsAfterItsTimeHoweverOftenItWasOfUse) {
  const auto memory = memory_of(60s);
  const auto now = PoolMemory::Clock::now();
  memory->learn("alice", 1, now);
  log_in(memory, "new");
  EXPECT_EQ(memory->find("alice", now + 59s), 1U);
  EXPECT_EQ(memory->find("alice", now + 60s), std::nullopt);
}

TEST(PoolMemory, RemembersNothingWhereItIsNotTo) {
  const auto memory = memory_of(0s);
  log_in(memory, "new");
  EXPECT_EQ(PoolTrial(memory, "alice").pool(), "old");
}

TEST(PoolMemory, AnotherListOfPoolsKnowsWhoIsInThoseThatRemain) {
  const auto now = PoolMemory::Clock::now();
  PoolMemory before({.pools = {"old", "new", "newest"}, .remember = 60s, .entries = 100});
  before.learn("alice", 1, now);
  before.learn("bob", 2, now);
  before.learn("carol", 2, now - 60s);
  before.count(2, PoolFound::kTrial);
  before.count(1, PoolFound::kTrial);
  PoolMemory after({.pools = {"old", "other", "newest"}, .remember = 50s, .entries = 100});
  after.take_over(before, now);
  EXPECT_EQ(after.find("bob", now + 49s), 2U);
  EXPECT_EQ(after.find("bob", now + 50s), std::nullopt) << "never longer than is remembered now";
  EXPECT_EQ(after.find("alice", now), std::nullopt) << "its pool is gone";
  EXPECT_EQ(after.size(), 1U);
  EXPECT_EQ(count(after, 2, PoolFound::kTrial), 1U);
  EXPECT_EQ(count(after, 1, PoolFound::kTrial), 0U);

  PoolMemory turned({.pools = {"newest", "old"}, .remember = 60s, .entries = 100});
  turned.take_over(before, now);
  EXPECT_EQ(turned.size(), 0U) << "the first pool is everybody's";
  PoolMemory forgetful({.pools = {"old", "new"}, .remember = 0s, .entries = 100});
  forgetful.take_over(before, now);
  EXPECT_EQ(forgetful.size(), 0U);
}

TEST(PoolMemory, HasABound) {
  const auto memory = memory_of();
  for (int i = 0; i < 10'000; ++i) {
    memory->learn("user" + std::to_string(i), 1);
  }
  EXPECT_LE(memory->size(), 160U);
  EXPECT_GT(memory->size(), 80U);
  memory->learn(std::string(PoolMemory::kLongestName + 1, 'x'), 1);
  EXPECT_EQ(memory->find(std::string(PoolMemory::kLongestName + 1, 'x')), std::nullopt);
}

}  // namespace
}  // namespace headgate::auth
