#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "balance/slow_shift.h"

// Health of a pool's backends by active checks: when one is taken out, when it is brought back, and
// how much of its weight counts meanwhile. Pure: results and times come in, verdicts come out.
// Times are milliseconds of any steady clock.
namespace headgate::balance {

struct HealthRules {
  unsigned rise = 2;  // checks passed in a row that bring a backend back
  unsigned fall = 3;  // checks failed in a row that take it out
  std::int64_t interval_ms = 5000;
  std::int64_t failed_interval_ms = 1000;  // after a check that failed
  std::int64_t slow_start_ms = 30'000;
  unsigned panic_below = 5000;  // hundredths of a per cent of the pool's weight; 0: never
  SlowRules slow;
};

// One backend as its checks see it. Up until the first check, which decides by itself.
class BackendHealth {
 public:
  // True: the verdict is another one than before.
  bool note_check(const HealthRules& rules, bool passed, std::int64_t now_ms);
  [[nodiscard]] bool up() const { return up_; }
  // While it starts slowly, 1 to 9; else 10.
  [[nodiscard]] std::uint32_t tenths(const HealthRules& rules, std::int64_t now_ms) const;
  // From the beginning of the last check to that of the next; ±10 %, so that many proxies and
  // backends do not fall into step.
  [[nodiscard]] std::int64_t next_after(const HealthRules& rules, std::uint64_t random) const;

 private:
  bool checked_ = false;
  bool up_ = true;
  bool last_passed_ = true;
  unsigned against_ = 0;   // results in a row that speak against the verdict
  bool starting_ = false;  // it came back, at started_ms_
  std::int64_t started_ms_ = 0;
};

// What can be said of a backend, from best to worst.
enum class HealthState : std::uint8_t {
  kUp,
  kStarting,  // back, with a growing part of its weight
  kSlow,      // its logins take too long: part of its weight is away
  kFailed,    // a login failed by its fault: tried last for a moment
  kPanic,     // its checks fail, but so do too many others': counts as up
  kDown,      // its checks fail: tried last until they pass
};
inline constexpr std::array<std::string_view, 6> kHealthStateNames = {"up",     "starting", "slow",
                                                                      "failed", "panic",    "down"};
constexpr std::string_view name(HealthState state) {
  return kHealthStateNames[static_cast<std::size_t>(state)];
}

// The backends of a pool together.
class PoolHealth {
 public:
  struct Member {
    unsigned weight = 0;
    bool backup = false;
    BackendHealth health;
  };

  PoolHealth() = default;
  PoolHealth(const HealthRules& rules, std::vector<Member> members);

  // Member `at` was checked. True: some verdict of the pool is another one.
  bool note_check(std::size_t at, bool passed, std::int64_t now_ms);

  // How long logins took at a member, in a window of time that moves on by a step each time.
  struct LoginTimes {
    std::uint64_t logins = 0;
    std::uint64_t p95_us = 0;
  };
  void note_login_times(std::span<const LoginTimes> times);
  // What was shifted before a change of the members.
  void take_shift_from(const PoolHealth& before) { shift_ = before.shift_; }

  // Too few pass: the checks themselves may be at fault (the test account is gone, a network is
  // cut between here and there), so they are not believed. Never while a backup passes, which is
  // there for such times. Backends of weight 0 do not count.
  [[nodiscard]] bool panic() const { return panic_; }
  // Whether the policies are to try it last.
  [[nodiscard]] bool taken_out(std::size_t at) const {
    return !members_[at].health.up() && !panic_;
  }
  [[nodiscard]] std::uint32_t tenths(std::size_t at, std::int64_t now_ms) const;
  [[nodiscard]] HealthState state(std::size_t at, bool login_failed, std::int64_t now_ms) const;

  [[nodiscard]] const HealthRules& rules() const { return rules_; }
  [[nodiscard]] const BackendHealth& health(std::size_t at) const { return members_[at].health; }
  [[nodiscard]] std::size_t passing() const;  // how many members

 private:
  [[nodiscard]] bool too_few() const;

  HealthRules rules_;
  std::vector<Member> members_;
  SlowShift shift_;
  bool panic_ = false;
};

}  // namespace headgate::balance
