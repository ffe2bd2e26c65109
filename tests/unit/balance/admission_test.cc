#include "balance/admission.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <queue>
#include <random>
#include <vector>

namespace headgate::balance {
namespace {

using Outcome = Admission::Outcome;

constexpr AdmissionRules kRules{.on = true, .least = 8, .most = 1000, .queue = 5000};

// Clients in front of a backend that works on so many logins at once and lets the others stand in
// line, which is what a server with too few processes does. Times are microseconds.
class Storm {
 public:
  unsigned capacity = 20;
  std::uint64_t login_us = 50'000;
  Admission admission;
  std::uint32_t most_at_once = 0;
  std::size_t done = 0;
  std::uint64_t now_us = 0;
  std::uint64_t slowest_us = 0;

  // So many clients come now, and nobody else until all of them are in.
  void come(std::size_t clients) {
    waiting_ += clients;
    let_begin();
    while (!working_.empty()) {
      step();
    }
  }

  // One after the other, with pauses.
  void trickle(std::size_t clients) {
    for (; clients > 0; --clients) {
      come(1);
      now_us += 20'000;
    }
  }

 private:
  struct Working {
    std::uint64_t until_us;
    std::uint64_t since_us;
    friend bool operator>(const Working& a, const Working& b) { return a.until_us > b.until_us; }
  };

  void let_begin() {
    while (waiting_ > 0 && admission.try_begin(kRules)) {
      --waiting_;
      in_line_.push_back(now_us);
    }
    most_at_once = std::max(most_at_once, admission.under_way());
    while (working_.size() < capacity && !in_line_.empty()) {
      // ±20 %
      const std::uint64_t takes = login_us * (80 + random_() % 41) / 100;
      working_.push({.until_us = now_us + takes, .since_us = in_line_.front()});
      in_line_.pop_front();
    }
  }

  void step() {
    const Working login = working_.top();
    working_.pop();
    now_us = login.until_us;
    slowest_us = std::max(slowest_us, now_us - login.since_us);
    admission.end(kRules, Outcome::kIn, now_us - login.since_us,
                  static_cast<std::int64_t>(now_us / 1000));
    ++done;
    let_begin();
  }

  std::size_t waiting_ = 0;
  std::deque<std::uint64_t> in_line_;
  std::priority_queue<Working, std::vector<Working>, std::greater<>> working_;
  std::mt19937_64 random_{1};
};

TEST(Admission, FindsAboutWhatABackendCanDoAtOnce) {
  for (const unsigned capacity : {10U, 20U, 50U, 200U}) {
    Storm storm;
    storm.capacity = capacity;
    storm.come(20'000);
    EXPECT_EQ(storm.done, 20'000U);
    const std::uint32_t limit = storm.admission.limit(kRules);
    EXPECT_GE(limit, capacity) << capacity;
    EXPECT_LE(limit, 3 * capacity) << capacity;
    EXPECT_LE(storm.most_at_once, 5 * capacity) << capacity;
    // Nobody is much slower than the logins that make the backend busy have to be.
    EXPECT_LE(storm.slowest_us, 6 * storm.login_us) << capacity;
    // And the backend is kept busy: all are in within a quarter more than it needs.
    const std::uint64_t needed_us = 20'000 / capacity * storm.login_us;
    EXPECT_LE(storm.now_us, needed_us * 5 / 4) << capacity;
  }
}

TEST(Admission, LetsAStormInAtTheBackendsPaceAndNotAtOnce) {
  Storm storm;
  storm.trickle(200);
  storm.come(5000);
  EXPECT_EQ(storm.done, 5200U);
  EXPECT_LE(storm.most_at_once, 100U);
}

TEST(Admission, OrdinaryLogInsNeverMeetTheLimit) {
  Storm storm;
  storm.trickle(2000);
  EXPECT_EQ(storm.most_at_once, 1U);
  EXPECT_EQ(storm.admission.limit(kRules), kRules.least);
}

TEST(Admission, ShrinksWhileABackendIsSlowAndGrowsAgain) {
  Storm storm;
  storm.come(10'000);
  const std::uint32_t well = storm.admission.limit(kRules);
  storm.login_us = 500'000;
  storm.come(1000);
  EXPECT_EQ(storm.admission.limit(kRules), kRules.least);
  storm.login_us = 50'000;
  storm.come(10'000);
  EXPECT_GE(storm.admission.limit(kRules), well / 2);
}

TEST(Admission, GetsUsedToABackendThatIsAnotherOne) {
  Storm storm;
  storm.capacity = 100;
  storm.trickle(500);
  storm.login_us = 400'000;  // as with a password hash that takes longer
  storm.trickle(1000);
  storm.come(5000);
  EXPECT_GE(storm.admission.limit(kRules), 50U);
}

TEST(Admission, FailuresShrinkItToTheFloorAndNoFurther) {
  Storm storm;
  storm.come(10'000);
  ASSERT_GT(storm.admission.limit(kRules), 2 * kRules.least);
  std::int64_t now_ms = static_cast<std::int64_t>(storm.now_us / 1000);
  for (int login = 0; login < 200; ++login) {
    ASSERT_TRUE(storm.admission.try_begin(kRules));
    now_ms += 50;
    storm.admission.end(kRules, Outcome::kFailed, 0, now_ms);
  }
  EXPECT_EQ(storm.admission.limit(kRules), kRules.least);
  EXPECT_EQ(storm.admission.under_way(), 0U);
}

// Guessers come faster than a backend's delay for wrong passwords lets them go.
TEST(Admission, GrowsWhenWrongPasswordsTakeAllPlaces) {
  constexpr std::int64_t kDelayMs = 2000;
  constexpr std::int64_t kGuessEveryMs = 5;
  Admission admission;
  std::deque<std::int64_t> ends;
  std::int64_t kept_out_ms = 0;  // when a guess last found no place
  for (std::int64_t now_ms = 0; now_ms < 30'000; now_ms += kGuessEveryMs) {
    while (!ends.empty() && ends.front() <= now_ms) {
      admission.end(kRules, Outcome::kRefused, kDelayMs * 1000, now_ms);
      ends.pop_front();
    }
    if (admission.try_begin(kRules)) {
      ends.push_back(now_ms + kDelayMs);
    } else {
      kept_out_ms = now_ms;
    }
  }
  EXPECT_GE(admission.limit(kRules), kDelayMs / kGuessEveryMs);
  EXPECT_LE(kept_out_ms, 20'000);
}

TEST(Admission, WrongPasswordsAmongQuickLoginsAreNoReasonToShrink) {
  Storm storm;
  storm.come(10'000);
  const std::uint32_t before = storm.admission.limit(kRules);
  auto now_ms = static_cast<std::int64_t>(storm.now_us / 1000);
  for (int login = 0; login < 1000; ++login) {
    ASSERT_TRUE(storm.admission.try_begin(kRules));
    storm.admission.end(kRules, Outcome::kRefused, 2'000'000, now_ms += 20);
  }
  EXPECT_EQ(storm.admission.limit(kRules), before);
}

TEST(Admission, ClientsThatLeaveSayNothing) {
  Admission admission;
  for (int login = 0; login < 1000; ++login) {
    ASSERT_TRUE(admission.try_begin(kRules));
    admission.end(kRules, Outcome::kNothing, 3'000'000, 100 * login);
  }
  EXPECT_EQ(admission.limit(kRules), kRules.least);
  EXPECT_EQ(admission.under_way(), 0U);
}

TEST(Admission, StaysWithinWhatIsConfigured) {
  Admission admission;
  const AdmissionRules fixed{.on = true, .least = 3, .most = 3, .queue = 2};
  std::int64_t now_ms = 0;
  for (int round = 0; round < 100; ++round) {
    for (int login = 0; login < 3; ++login) {
      ASSERT_TRUE(admission.try_begin(fixed));
    }
    ASSERT_FALSE(admission.try_begin(fixed));
    for (int login = 0; login < 3; ++login) {
      admission.end(fixed, Outcome::kIn, 1000, now_ms += 40);
    }
  }
  EXPECT_EQ(admission.limit(fixed), 3U);
}

TEST(Admission, CountsWhoWaitsAndWhoMayNot) {
  Admission admission;
  const AdmissionRules rules{.on = true, .least = 1, .most = 1, .queue = 2};
  EXPECT_TRUE(admission.wait(rules));
  EXPECT_TRUE(admission.wait(rules));
  EXPECT_FALSE(admission.wait(rules));
  EXPECT_EQ(admission.waiting(), 2U);
  EXPECT_EQ(admission.refused(), 1U);
  admission.stop_waiting();
  EXPECT_TRUE(admission.wait(rules));
}

}  // namespace
}  // namespace headgate::balance
