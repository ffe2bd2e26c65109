#include "balance/health.h"

#include <algorithm>
#include <utility>

#include "balance/backend_set.h"

namespace headgate::balance {
namespace {

constexpr std::uint64_t kWhole = 10'000;  // hundredths of a per cent

}  // namespace

bool BackendHealth::note_check(const HealthRules& rules, bool passed, std::int64_t now_ms) {
  last_passed_ = passed;
  const bool first = !std::exchange(checked_, true);
  if (passed == up_) {
    against_ = 0;
    return false;
  }
  ++against_;
  if (!first && against_ < (up_ ? rules.fall : rules.rise)) {
    return false;
  }
  up_ = passed;
  against_ = 0;
  starting_ = up_;
  started_ms_ = now_ms;
  return true;
}

std::uint32_t BackendHealth::tenths(const HealthRules& rules, std::int64_t now_ms) const {
  const std::int64_t passed = now_ms - started_ms_;
  if (!starting_ || passed >= rules.slow_start_ms) {
    return kWholeTenths;
  }
  // In each tenth of the time one tenth of the weight more; the first one at once.
  return static_cast<std::uint32_t>(std::max<std::int64_t>(passed, 0) * kWholeTenths /
                                    rules.slow_start_ms) +
         1;
}

std::int64_t BackendHealth::next_after(const HealthRules& rules, std::uint64_t random) const {
  const std::int64_t interval = last_passed_ ? rules.interval_ms : rules.failed_interval_ms;
  const std::int64_t spread = interval / 5;
  return interval - spread / 2 +
         static_cast<std::int64_t>(random % (static_cast<std::uint64_t>(spread) + 1));
}

PoolHealth::PoolHealth(const HealthRules& rules, std::vector<Member> members)
    : rules_(rules), members_(std::move(members)), panic_(too_few()) {}

bool PoolHealth::note_check(std::size_t at, bool passed, std::int64_t now_ms) {
  if (!members_[at].health.note_check(rules_, passed, now_ms)) {
    return false;
  }
  panic_ = too_few();
  return true;
}

void PoolHealth::note_login_times(std::span<const LoginTimes> times) {
  std::vector<SlowShift::Measured> measured;
  for (std::size_t at = 0; at < members_.size(); ++at) {
    // A backup has few logins when it has any, and none to compare it with.
    measured.push_back({.weight = members_[at].backup ? 0 : members_[at].weight,
                        .up = members_[at].health.up(),
                        .logins = times[at].logins,
                        .p95_us = times[at].p95_us});
  }
  shift_.step(rules_.slow, measured);
}

bool PoolHealth::too_few() const {
  std::uint64_t passing = 0;
  std::uint64_t all = 0;
  for (const Member& member : members_) {
    if (member.backup) {
      if (member.health.up() && member.weight != 0) {
        return false;
      }
      continue;
    }
    all += member.weight;
    passing += member.health.up() ? member.weight : 0;
  }
  return passing * kWhole < all * rules_.panic_below;
}

std::uint32_t PoolHealth::tenths(std::size_t at, std::int64_t now_ms) const {
  return std::min(members_[at].health.tenths(rules_, now_ms), shift_.tenths(at));
}

HealthState PoolHealth::state(std::size_t at, bool login_failed, std::int64_t now_ms) const {
  if (taken_out(at)) {
    return HealthState::kDown;
  }
  if (!members_[at].health.up()) {
    return HealthState::kPanic;
  }
  if (login_failed) {
    return HealthState::kFailed;
  }
  if (shift_.tenths(at) < kWholeTenths) {
    return HealthState::kSlow;
  }
  return tenths(at, now_ms) < kWholeTenths ? HealthState::kStarting : HealthState::kUp;
}

std::size_t PoolHealth::passing() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(members_, [](const Member& member) { return member.health.up(); }));
}

}  // namespace headgate::balance
