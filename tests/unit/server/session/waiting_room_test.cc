#include "server/session/waiting_room.h"

#include <gtest/gtest.h>

namespace headgate::server {
namespace {

TEST(WaitingRoom, IsFullOnlyBeyondItsLimit) {
  WaitingRoom room(1, 2);
  EXPECT_FALSE(room.enter());
  EXPECT_FALSE(room.enter());
  EXPECT_TRUE(room.enter());
}

TEST(WaitingRoom, HasRoomAgainWhenSomebodyLeaves) {
  WaitingRoom room(1, 1);
  EXPECT_FALSE(room.enter());
  room.leave();
  EXPECT_FALSE(room.enter());
}

TEST(WaitingRoom, KnowsTheWorkerWithTheOldestSession) {
  WaitingRoom room(3, 10);
  room.set_oldest(0, 500);
  room.set_oldest(1, 100);
  room.set_oldest(2, 900);
  EXPECT_EQ(room.worker_with_oldest(), 1U);
}

TEST(WaitingRoom, PassesOverWorkersWithNobodyWaiting) {
  WaitingRoom room(2, 10);
  room.set_oldest(0, WaitingRoom::kNobody);
  room.set_oldest(1, 900);
  EXPECT_EQ(room.worker_with_oldest(), 1U);
}

}  // namespace
}  // namespace headgate::server
