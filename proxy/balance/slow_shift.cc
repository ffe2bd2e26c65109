#include "balance/slow_shift.h"

#include <algorithm>
#include <numeric>
#include <optional>

namespace headgate::balance {
namespace {

using Measured = SlowShift::Measured;

constexpr std::uint64_t kHundredths = 10'000;

bool tells(const SlowRules& rules, const Measured& backend) {
  return backend.up && backend.weight != 0 && backend.logins >= rules.least_logins;
}

// Of an even number the lower one, so that one slow backend of three is measured by the well one.
std::optional<std::uint64_t> median_of_others(const SlowRules& rules,
                                              std::span<const Measured> backends, std::size_t but) {
  std::vector<std::uint64_t> times;
  for (std::size_t at = 0; at < backends.size(); ++at) {
    if (at != but && tells(rules, backends[at])) {
      times.push_back(backends[at].p95_us);
    }
  }
  if (times.empty()) {
    return std::nullopt;
  }
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>((times.size() - 1) / 2);
  std::ranges::nth_element(times, middle);
  return *middle;
}

bool is_slow(const SlowRules& rules, std::span<const Measured> backends, std::size_t at) {
  if (!tells(rules, backends[at]) || backends[at].p95_us <= rules.above_us) {
    return false;
  }
  const auto median = median_of_others(rules, backends, at);
  return median && backends[at].p95_us > *median * rules.multiple;
}

}  // namespace

void SlowShift::step(const SlowRules& rules, std::span<const Measured> backends) {
  tenths_.resize(backends.size(), kWhole);
  std::uint64_t all = 0;
  std::uint64_t down = 0;
  for (std::size_t at = 0; at < backends.size(); ++at) {
    const bool slow = rules.on && is_slow(rules, backends, at);
    tenths_[at] = slow ? std::max(tenths_[at] / 2, 1U) : std::min(tenths_[at] + 1, kWhole);
    all += backends[at].weight;
    down += backends[at].up ? 0 : backends[at].weight;
  }
  // In tenths of weights.
  const std::uint64_t most = all * kWhole * rules.most_share / kHundredths;
  std::uint64_t left = most - std::min(most, down * kWhole);
  std::vector<std::size_t> slowest(backends.size());
  std::iota(slowest.begin(), slowest.end(), 0);
  std::ranges::sort(slowest, [&](std::size_t a, std::size_t b) {
    return backends[a].p95_us != backends[b].p95_us ? backends[a].p95_us > backends[b].p95_us
                                                    : a < b;
  });
  for (const std::size_t at : slowest) {
    const std::uint64_t weight = backends[at].weight;
    if (weight == 0 || !backends[at].up) {
      tenths_[at] = kWhole;
      continue;
    }
    const auto away =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(kWhole - tenths_[at], left / weight));
    tenths_[at] = kWhole - away;
    left -= away * weight;
  }
}

}  // namespace headgate::balance
