#include "balance/admission.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace headgate::balance {
namespace {

// A window has at least so many logins, and lasts at least so long and some times as long as they
// take: those that are quick end first.
constexpr std::uint32_t kLeastLogins = 8;
constexpr std::int64_t kWindowMs = 100;
constexpr std::uint64_t kWindowLogins = 3;
// Somebody closes the window at this moment.
constexpr std::int64_t kClosing = std::numeric_limits<std::int64_t>::max();

constexpr std::uint64_t kNeverSlowUs = 100'000;
constexpr std::uint64_t kTolerance = 2;  // times the baseline
// By which part of the difference the baseline rises with a window in which the limit was not in
// the way, and with another one, whose logins may be slow for their number alone.
constexpr std::uint64_t kRise = 16;
constexpr std::uint64_t kSlowRise = 2048;

}  // namespace

std::uint32_t Admission::limit(const AdmissionRules& rules) const {
  return std::clamp(limit_.load(std::memory_order_relaxed), rules.least, rules.most);
}

bool Admission::wait(const AdmissionRules& rules) {
  if (waiting_.fetch_add(1, std::memory_order_relaxed) < rules.queue) {
    return true;
  }
  stop_waiting();
  count_refused();
  return false;
}

void Admission::end(const AdmissionRules& rules, Outcome outcome, std::uint64_t took_us,
                    std::int64_t now_ms) {
  const std::uint32_t at_once = under_way_.fetch_sub(1, std::memory_order_relaxed);
  std::int64_t opened = window_opened_ms_.load(std::memory_order_relaxed);
  // The time of one that began before the window did tells of what the limit was then.
  const bool too_old =
      outcome != Outcome::kRefused && now_ms - static_cast<std::int64_t>(took_us / 1000) < opened;
  if (outcome == Outcome::kNothing || opened == kClosing || too_old) {
    return;
  }
  if (outcome == Outcome::kIn) {
    took_us_.fetch_add(took_us, std::memory_order_relaxed);
    in_.fetch_add(1, std::memory_order_relaxed);
  } else {
    (outcome == Outcome::kFailed ? failed_ : refused_answers_)
        .fetch_add(1, std::memory_order_relaxed);
  }
  const std::uint32_t in = in_.load(std::memory_order_relaxed);
  const std::uint64_t open_us = static_cast<std::uint64_t>(now_ms - opened) * 1000;
  const std::uint32_t others =
      failed_.load(std::memory_order_relaxed) + refused_answers_.load(std::memory_order_relaxed);
  if (now_ms < opened + kWindowMs || in + others < kLeastLogins ||
      open_us * in < kWindowLogins * took_us_.load(std::memory_order_relaxed)) {
    return;
  }
  // Of several workers one closes the window; acquire and release hand its figures to the next.
  if (!window_opened_ms_.compare_exchange_strong(opened, kClosing, std::memory_order_acq_rel)) {
    return;
  }
  Seen seen{.average_us = 0,
            .in = in_.exchange(0, std::memory_order_relaxed),
            .failed = failed_.exchange(0, std::memory_order_relaxed),
            .refused = refused_answers_.exchange(0, std::memory_order_relaxed),
            .in_the_way = waiting() > 0 || at_once * 2 >= limit(rules)};
  const std::uint64_t took = took_us_.exchange(0, std::memory_order_relaxed);
  seen.average_us = seen.in != 0 ? took / seen.in : 0;
  adapt(rules, seen);
  window_opened_ms_.store(now_ms, std::memory_order_release);
}

void Admission::adapt(const AdmissionRules& rules, const Seen& seen) {
  const std::uint64_t now = limit(rules);
  std::uint64_t next = now;
  if (seen.failed * 4 > seen.in + seen.refused) {
    next = now / 2;
    was_slow_.store(true, std::memory_order_relaxed);
  } else {
    note_average(seen);
    const std::uint64_t target =
        std::max(kNeverSlowUs, kTolerance * baseline_us_.load(std::memory_order_relaxed));
    if (seen.average_us > target) {
      next = std::max(now * target / seen.average_us, now / 2);
      was_slow_.store(true, std::memory_order_relaxed);
    } else if (seen.in_the_way) {
      const auto root = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(now)));
      next += was_slow_.load(std::memory_order_relaxed) ? root : now;
    }
  }
  next = std::clamp<std::uint64_t>(next, rules.least, rules.most);
  limit_.store(static_cast<std::uint32_t>(next), std::memory_order_relaxed);
}

void Admission::note_average(const Seen& seen) {
  if (seen.in == 0) {
    return;
  }
  const std::uint64_t before = baseline_us_.load(std::memory_order_relaxed);
  std::uint64_t baseline = seen.average_us;
  if (before != 0 && seen.average_us < before) {
    baseline = (before + seen.average_us) / 2;
  } else if (before != 0) {
    baseline = before + (seen.average_us - before) / (seen.in_the_way ? kSlowRise : kRise);
  }
  baseline_us_.store(std::max<std::uint64_t>(baseline, 1), std::memory_order_relaxed);
}

}  // namespace headgate::balance
