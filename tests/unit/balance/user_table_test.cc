#include "balance/user_table.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "some_backends.h"

namespace headgate::balance {
namespace {

using Establish = UserTable::Establish;

constexpr std::uint64_t kAlice = 7;
constexpr std::uint64_t kOne = 101;
constexpr std::uint64_t kTwo = 102;
constexpr std::uint64_t kThree = 103;

// A session that would go to `backend` if its user had no place.
UserLease join(UserTable& table, std::uint64_t user, std::uint64_t backend) {
  return table
      .join(user,
            [&](const UserTable::Place* place) {
              return std::optional(
                  UserTable::Decision{.backend = place != nullptr ? place->backend : backend});
            })
      ->lease;
}

UserLease established(UserTable& table, std::uint64_t user, std::uint64_t backend) {
  UserLease lease = join(table, user, backend);
  EXPECT_EQ(table.establish(lease, 0), Establish::kYes);
  return lease;
}

TEST(UserTable, ASecondSessionGoesWhereTheFirstOneIs) {
  UserTable table(1000, 1);
  UserLease first = join(table, kAlice, kOne);
  UserLease second = join(table, kAlice, kTwo);
  EXPECT_EQ(first.backend, kOne);
  EXPECT_EQ(second.backend, kOne);
  EXPECT_EQ(join(table, kAlice + 1, kTwo).backend, kTwo);
}

TEST(UserTable, AnEntryLivesWhileItsUserHasSessions) {
  UserTable table(1000, 1);
  UserLease first = established(table, kAlice, kOne);
  UserLease second = join(table, kAlice, kTwo);
  table.leave(first);
  EXPECT_EQ(table.find(kAlice)->backend, kOne);
  EXPECT_EQ(table.find(kAlice)->established, 0U);
  table.leave(second);
  table.leave(second);  // a second time is nothing
  EXPECT_FALSE(table.find(kAlice));
  EXPECT_EQ(table.stats().users, 0U);
  EXPECT_EQ(join(table, kAlice, kTwo).backend, kTwo);
}

TEST(UserTable, WhoHasNowhereToGoLeavesNoTrace) {
  UserTable table(1000, 1);
  EXPECT_FALSE(table.join(
      kAlice, [](const UserTable::Place*) { return std::optional<UserTable::Decision>(); }));
  EXPECT_EQ(table.stats().users, 0U);
}

TEST(UserTable, WhenABackendFailsAllSessionsGoToTheSameOtherOne) {
  UserTable table(1000, 1);
  UserLease a = join(table, kAlice, kOne);
  UserLease b = join(table, kAlice, kOne);
  EXPECT_EQ(table.move(a, kTwo).backend, kTwo);
  EXPECT_EQ(table.move(b, kThree).backend, kTwo);
  EXPECT_EQ(join(table, kAlice, kOne).backend, kTwo);
  EXPECT_EQ(table.find(kAlice)->home, kOne);
  EXPECT_EQ(table.stats().away, 1U);
  // That one failed as well: now it may go on to the third.
  EXPECT_EQ(table.move(b, kThree).backend, kThree);
  EXPECT_EQ(table.find(kAlice)->home, kOne);
}

TEST(UserTable, SessionsThatAreLeftBehindAreToldApartByTheirEpoch) {
  UserTable table(1000, 1);
  UserLease old = established(table, kAlice, kOne);
  UserLease fresh = join(table, kAlice, kOne);
  const auto moved = table.move(fresh, kTwo);
  EXPECT_TRUE(moved.left_some);
  EXPECT_LT(old.epoch, fresh.epoch);
  EXPECT_EQ(table.stats().left_behind, 1U);
  EXPECT_EQ(table.establish(fresh, 0), Establish::kYes);
  EXPECT_FALSE(old.epoch >= fresh.epoch);
  table.leave(old);
  EXPECT_EQ(table.stats().left_behind, 0U);
  EXPECT_EQ(table.find(kAlice)->established, 1U);
  table.leave(fresh);
  EXPECT_FALSE(table.find(kAlice));
}

TEST(UserTable, TheUserComesHomeWhenAskedToAndTheOthersAreLeftBehind) {
  UserTable table(1000, 1);
  UserLease a = join(table, kAlice, kOne);
  table.move(a, kTwo);
  ASSERT_EQ(table.establish(a, 0), Establish::kYes);
  const auto home = table.join(kAlice, [](const UserTable::Place* place) {
    EXPECT_EQ(place->established, 1U);
    return std::optional(UserTable::Decision{.backend = place->home});
  });
  EXPECT_EQ(home->lease.backend, kOne);
  EXPECT_TRUE(home->left_some);
  EXPECT_LT(a.epoch, home->lease.epoch);
  EXPECT_EQ(table.find(kAlice)->home, 0U);
  EXPECT_EQ(table.stats().away, 0U);
}

TEST(UserTable, TheFirstWhoIsLetInDecidesForThoseStillOnTheirWay) {
  UserTable table(1000, 1);
  UserLease a = join(table, kAlice, kOne);
  UserLease b = join(table, kAlice, kOne);
  table.move(b, kTwo);  // a is still trying the first one, and gets in
  EXPECT_EQ(table.establish(a, 0), Establish::kYes);
  EXPECT_EQ(table.find(kAlice)->backend, kOne);
  EXPECT_EQ(table.establish(b, 0), Establish::kElsewhere);
  EXPECT_EQ(b.backend, kOne);
  EXPECT_EQ(table.establish(b, 0), Establish::kYes);
  EXPECT_EQ(table.find(kAlice)->established, 2U);
}

TEST(UserTable, OnlySessionsThatAreInCountForTheLimit) {
  UserTable table(1000, 1);
  std::vector<UserLease> guesses;
  for (int i = 0; i < 20; ++i) {
    guesses.push_back(join(table, kAlice, kOne));
  }
  UserLease a = join(table, kAlice, kOne);
  UserLease b = join(table, kAlice, kOne);
  EXPECT_EQ(table.establish(a, 1), Establish::kYes);
  EXPECT_EQ(table.establish(b, 1), Establish::kOverLimit);
  table.leave(a);
  EXPECT_EQ(table.establish(b, 1), Establish::kYes);
  EXPECT_EQ(table.stats(1).near_limit, 1U);
  EXPECT_EQ(table.stats(2).near_limit, 0U);
  EXPECT_EQ(table.stats().most_sessions, 1U);
}

TEST(UserTable, BeyondItsBoundUsersGoByPolicyAlone) {
  UserTable table(UserTable::kShards, 1);  // one a shard
  std::vector<UserLease> leases;
  for (std::uint64_t user = 0; user < 2000; ++user) {
    leases.push_back(established(table, user, kOne));
  }
  const auto stats = table.stats();
  EXPECT_LE(stats.users, UserTable::kShards);
  EXPECT_EQ(stats.users + stats.overflows, 2000U);
  EXPECT_LT(stats.bytes, 300'000U);
  for (UserLease& lease : leases) {
    UserLease other = lease;
    EXPECT_EQ(table.move(other, kTwo).backend, kTwo);
    lease.backend = other.backend;
    lease.epoch = other.epoch;
    table.leave(lease);
  }
  EXPECT_EQ(table.stats().users, 0U);
}

TEST(UserTable, DoesWhatAnOrdinaryMapDoesWhateverTheOrder) {
  UserTable table(1'000'000, 3);
  std::map<std::uint64_t, std::vector<UserLease>> known;
  std::mt19937_64 random(11);
  const std::size_t steps = kInstrumented ? 20'000 : 300'000;
  for (std::size_t step = 0; step < steps; ++step) {
    const std::uint64_t user = random() % 5000;
    std::vector<UserLease>& sessions = known[user];
    if (random() % 2 == 0 || sessions.empty()) {
      sessions.push_back(established(table, user, random()));
      ASSERT_EQ(sessions.back().backend, sessions.front().backend);
    } else {
      table.leave(sessions.back());
      sessions.pop_back();
    }
    ASSERT_EQ(table.find(user).has_value(), !sessions.empty());
  }
  std::size_t users = 0;
  for (const auto& [user, sessions] : known) {
    users += sessions.empty() ? 0U : 1U;
    const auto place = table.find(user);
    ASSERT_EQ(place ? place->established : 0, sessions.size());
  }
  EXPECT_EQ(table.stats().users, users);
}

TEST(UserTable, AUserCostsLessThanAHundredBytes) {
  UserTable table(10'000'000, 5);
  const std::size_t empty = table.stats().bytes;
  const std::size_t users = kUsers / 4;
  for (std::uint64_t user = 0; user < users; ++user) {
    established(table, user, kOne);
  }
  EXPECT_LT((table.stats().bytes - empty) / users, 100U);
}

// Sessions of few users come, fail over and go on several threads at once. Each that is let in
// writes down where; two that were let in in the same epoch of a user's stay are at one backend.
TEST(UserTable, ThreadsNeverSplitAUser) {
  constexpr std::uint64_t kSome = 8;
  UserTable table(1000, 9);
  std::array<UserLease, kSome> residents;  // one session a user that stays, so that stays are long
  for (std::uint64_t user = 0; user < kSome; ++user) {
    residents[user] = join(table, user, kOne);
  }
  std::vector<std::map<std::pair<std::uint64_t, std::uint32_t>, std::uint64_t>> seen(4);
  std::vector<std::thread> workers;
  for (unsigned worker = 0; worker < 4; ++worker) {
    workers.emplace_back([&table, &own = seen[worker], worker] {
      std::mt19937_64 random(worker);
      for (int i = 0; i < (kInstrumented ? 2000 : 30'000); ++i) {
        UserLease lease = join(table, random() % kSome, kOne);
        while (table.establish(lease, 0) == Establish::kElsewhere) {
        }
        const auto [at, fresh] = own.emplace(std::pair(lease.user, lease.epoch), lease.backend);
        ASSERT_EQ(at->second, lease.backend);
        UserLease other = join(table, lease.user, kTwo);
        if (random() % 4 == 0) {
          table.move(other, kOne + random() % 3);
        }
        table.leave(other);
        table.leave(lease);
      }
    });
  }
  for (std::thread& worker : workers) {
    worker.join();
  }
  std::map<std::pair<std::uint64_t, std::uint32_t>, std::uint64_t> all;
  for (const auto& own : seen) {
    for (const auto& [stay, backend] : own) {
      EXPECT_EQ(all.emplace(stay, backend).first->second, backend);
    }
  }
  EXPECT_EQ(table.stats().left_behind, 0U);
  for (UserLease& lease : residents) {
    table.leave(lease);
  }
  EXPECT_EQ(table.stats().users, 0U);
}

}  // namespace
}  // namespace headgate::balance
