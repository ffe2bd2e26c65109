#include "net/timer_wheel.h"

#include <gtest/gtest.h>
#include <time.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "net/loop.h"

namespace headgate::net {
namespace {

// A timer that does what the test says.
struct Alarm {
  explicit Alarm(std::function<void()> what) : action(std::move(what)) {}
  std::function<void()> action;
  Timer timer{this, [](void* owner) noexcept { static_cast<Alarm*>(owner)->action(); }};
};

class TimerWheelTest : public testing::Test {
 protected:
  ~TimerWheelTest() override {
    wheel.reset();
    loop.drain();
  }
  // Turns the loop until nothing is armed.
  void run() { loop.drain(); }

  Loop loop;
  std::unique_ptr<TimerWheel> wheel = std::make_unique<TimerWheel>(loop);
};

TEST_F(TimerWheelTest, TimersExpireInOrderAndNeverEarly) {
  std::mt19937 random(1);
  std::vector<std::unique_ptr<Alarm>> alarms;
  std::vector<std::uint64_t> expired;
  for (int i = 0; i < 300; ++i) {
    alarms.push_back(std::make_unique<Alarm>([] {}));
    Alarm& alarm = *alarms.back();
    alarm.action = [&] {
      EXPECT_GE(wheel->now_ms(), alarm.timer.deadline_ms());
      EXPECT_FALSE(alarm.timer.armed());
      expired.push_back(alarm.timer.deadline_ms());
    };
    wheel->arm(alarm.timer, random() % 700);
    EXPECT_TRUE(alarm.timer.armed());
  }
  run();
  ASSERT_EQ(expired.size(), alarms.size());
  for (std::size_t i = 1; i < expired.size(); ++i) {
    EXPECT_LE(expired[i - 1], expired[i] + TimerWheel::kTickMs);
  }
}

TEST_F(TimerWheelTest, TimersAreLateByATickAtMostWhenTheLoopIsIdle) {
  std::uint64_t late = 0;
  Alarm alarm([&] { late = wheel->now_ms() - alarm.timer.deadline_ms(); });
  wheel->arm(alarm.timer, 130);
  run();
  // 50 ms of tick; the rest is the machine's.
  EXPECT_LT(late, TimerWheel::kTickMs + 200);
}

TEST_F(TimerWheelTest, AFinerWheelExpiresEachMillisecondOnItsOwn) {
  wheel = std::make_unique<TimerWheel>(loop, 1);
  std::vector<std::uint64_t> expired;
  std::vector<std::unique_ptr<Alarm>> alarms;
  for (std::uint64_t ms = 20; ms > 0; --ms) {
    alarms.push_back(std::make_unique<Alarm>([&expired, ms] { expired.push_back(ms); }));
    wheel->arm(alarms.back()->timer, ms);
  }
  run();
  ASSERT_EQ(expired.size(), 20U);
  EXPECT_TRUE(std::ranges::is_sorted(expired));
}

TEST_F(TimerWheelTest, ACancelledTimerDoesNotExpire) {
  bool expired = false;
  Alarm alarm([&] { expired = true; });
  wheel->arm(alarm.timer, 20);
  alarm.timer.cancel();
  EXPECT_FALSE(alarm.timer.armed());
  alarm.timer.cancel();
  run();
  EXPECT_FALSE(expired);
}

TEST_F(TimerWheelTest, ArmingAgainReplacesTheDeadline) {
  int expiries = 0;
  Alarm alarm([&] { ++expiries; });
  wheel->arm(alarm.timer, 10);
  wheel->arm(alarm.timer, 120);
  const std::uint64_t deadline = alarm.timer.deadline_ms();
  run();
  EXPECT_EQ(expiries, 1);
  EXPECT_GE(wheel->now_ms(), deadline);
}

TEST_F(TimerWheelTest, ATimerMayArmItselfInItsCallback) {
  int expiries = 0;
  Alarm alarm([&] {
    if (++expiries < 5) {
      wheel->arm(alarm.timer, 0);
    }
  });
  wheel->arm(alarm.timer, 0);
  run();
  EXPECT_EQ(expiries, 5);
}

TEST_F(TimerWheelTest, ATimerMayDestroyItself) {
  int expiries = 0;
  std::unique_ptr<Alarm> alarm;
  alarm = std::make_unique<Alarm>([&] {
    ++expiries;
    const auto action = std::move(alarm->action);  // outlives the object it stands in
    alarm.reset();
  });
  wheel->arm(alarm->timer, 10);
  run();
  EXPECT_EQ(expiries, 1);
  EXPECT_EQ(alarm, nullptr);
}

TEST_F(TimerWheelTest, ATimerMayCancelAndDestroyOthersOfItsSlot) {
  int expiries = 0;
  std::vector<std::unique_ptr<Alarm>> alarms;
  for (int i = 0; i < 10; ++i) {
    alarms.push_back(std::make_unique<Alarm>([&, i] {
      ++expiries;
      for (int j = 0; j < 10; ++j) {
        if (j != i && j % 2 == 0) {
          alarms[static_cast<std::size_t>(j)].reset();
        } else if (j != i) {
          alarms[static_cast<std::size_t>(j)]->timer.cancel();
        }
      }
    }));
    wheel->arm(alarms.back()->timer, 10);
  }
  run();
  EXPECT_EQ(expiries, 1);
}

TEST_F(TimerWheelTest, DeadlinesBeyondOneRevolutionDoNotExpireInTheFirst) {
  // 4,096 slots of 50 ms: the same slot as 100 ms, one revolution later.
  bool far_expired = false;
  Alarm far([&] { far_expired = true; });
  bool near_expired = false;
  Alarm near([&] {
    near_expired = true;
    EXPECT_TRUE(far.timer.armed());
    far.timer.cancel();
  });
  wheel->arm(far.timer, 4096 * TimerWheel::kTickMs + 100);
  wheel->arm(near.timer, 150);
  run();
  EXPECT_TRUE(near_expired);
  EXPECT_FALSE(far_expired);
}

TEST_F(TimerWheelTest, AnIdleWheelLetsTheLoopSleepUntilTheNextDeadline) {
  Alarm alarm([] {});
  wheel->arm(alarm.timer, 400);
  int turns = 0;
  {
    const TurnEnd counter(loop, [&] { ++turns; });
    run();
  }
  EXPECT_LT(turns, 8);
}

TEST_F(TimerWheelTest, TimersThatOutliveTheWheelAreDisarmed) {
  Alarm alarm([] { FAIL(); });
  wheel->arm(alarm.timer, 10);
  wheel.reset();
  EXPECT_FALSE(alarm.timer.armed());
  run();
}

}  // namespace
}  // namespace headgate::net
