#include "server/session/held_logins.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "net/loop.h"

namespace headgate::server {
namespace {

using Answer = HeldLogins::Answer;

// A login that notes how often it is called.
struct Waiter {
  explicit Waiter(HeldLogins& logins)
      : place(logins, this, [](void* self) noexcept { ++static_cast<Waiter*>(self)->calls; }) {}
  int calls = 0;
  HeldLogins::Place place;
};

class HeldLoginsTest : public testing::Test {
 protected:
  ~HeldLoginsTest() override {
    waiters.clear();
    logins.reset();
    wheel.reset();
    loop.drain();
  }
  Waiter& waiter() { return *waiters.emplace_back(std::make_unique<Waiter>(*logins)); }

  net::Loop loop;
  std::unique_ptr<net::TimerWheel> wheel = std::make_unique<net::TimerWheel>(loop);
  metrics::WorkerMetrics metrics{std::vector<std::string>{}};
  std::unique_ptr<HeldLogins> logins = std::make_unique<HeldLogins>(*wheel, metrics, 60);
  std::vector<std::unique_ptr<Waiter>> waiters;
};

TEST_F(HeldLoginsTest, logins_of_a_user_who_is_held_wait_and_others_go) {
  EXPECT_TRUE(logins->empty());
  logins->hold(1);
  Waiter& held = waiter();
  EXPECT_EQ(logins->enter(held.place, 1), Answer::kWait);
  EXPECT_EQ(logins->enter(waiter().place, 2), Answer::kGo);
  EXPECT_EQ(metrics.held_logins.value(), 1);
  logins->release(2);
  EXPECT_EQ(held.calls, 0);
  logins->release(1);
  EXPECT_EQ(held.calls, 1);
  EXPECT_EQ(metrics.held_logins.value(), 0);
  EXPECT_TRUE(logins->empty());
  EXPECT_EQ(logins->enter(held.place, 1), Answer::kGo);
}

TEST_F(HeldLoginsTest, logins_that_wait_count_where_they_are_asked_to) {
  std::atomic<std::uint32_t> count = 0;
  logins->hold(1);
  Waiter& stays = waiter();
  EXPECT_EQ(logins->enter(stays.place, 1, &count), Answer::kWait);
  EXPECT_EQ(logins->enter(waiter().place, 1, &count), Answer::kWait);
  EXPECT_EQ(logins->enter(waiter().place, 2, &count), Answer::kGo);
  EXPECT_EQ(count, 2U);
  stays.place.leave();
  EXPECT_EQ(count, 1U);
  logins->release(1);
  EXPECT_EQ(count, 0U);
  logins->hold(1);
  EXPECT_EQ(logins->enter(stays.place, 1), Answer::kWait);
  stays.place.leave();
  EXPECT_EQ(count, 0U);
}

TEST_F(HeldLoginsTest, a_login_that_goes_is_not_called) {
  logins->hold(1);
  EXPECT_EQ(logins->enter(waiter().place, 1), Answer::kWait);
  Waiter& stays = waiter();
  EXPECT_EQ(logins->enter(stays.place, 1), Answer::kWait);
  waiters.erase(waiters.begin());
  EXPECT_EQ(metrics.held_logins.value(), 1);
  stays.place.leave();
  logins->release(1);
  EXPECT_EQ(stays.calls, 0);
}

TEST_F(HeldLoginsTest, one_user_leaves_room_for_others) {
  logins->hold(1);
  logins->hold(2);
  for (std::size_t i = 0; i < HeldLogins::kMostOfAUser; ++i) {
    EXPECT_EQ(logins->enter(waiter().place, 1), Answer::kWait);
  }
  EXPECT_EQ(logins->enter(waiter().place, 1), Answer::kFull);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(logins->enter(waiter().place, 2), Answer::kWait);
  }
  EXPECT_EQ(logins->enter(waiter().place, 2), Answer::kFull);
  logins->hold(1);  // once more changes nothing
  logins->release(1);
  EXPECT_EQ(logins->enter(waiter().place, 2), Answer::kWait);
}

TEST_F(HeldLoginsTest, places_may_outlive_the_table) {
  logins->hold(1);
  Waiter& held = waiter();
  EXPECT_EQ(logins->enter(held.place, 1), Answer::kWait);
  logins.reset();
  EXPECT_EQ(metrics.held_logins.value(), 0);
  EXPECT_EQ(held.calls, 0);
}

}  // namespace
}  // namespace headgate::server
