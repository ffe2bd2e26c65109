#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

// Backends that are slow but not dead: part of their weight is taken from them, and given back as
// they get well. Pure: what was measured comes in, parts of weights come out.
namespace headgate::balance {

struct SlowRules {
  bool on = false;
  unsigned multiple = 3;             // of the median of the others
  std::uint64_t above_us = 250'000;  // below that nothing is slow
  std::uint64_t least_logins = 20;   // with fewer in the window nothing is said
  unsigned most_share = 3000;        // hundredths of a per cent of the pool's weight, away at once
};

class SlowShift {
 public:
  // A backend at the end of a step.
  struct Measured {
    unsigned weight = 0;
    bool up = true;
    std::uint64_t logins = 0;  // in the window
    std::uint64_t p95_us = 0;  // of their times
  };

  // One step. A backend is slow when its p95 is above `above_us` and above `multiple` times the
  // median of the p95 of the others that are up. Slow: half of what it has stays, at least a tenth,
  // since without logins nobody would learn that it is well again. Not slow, or with too few logins
  // to tell: a tenth more. What is away, weights of backends that are down included, is never more
  // than `most_share` of the pool: the slowest are served first.
  void step(const SlowRules& rules, std::span<const Measured> backends);

  // 1 to 10.
  [[nodiscard]] std::uint32_t tenths(std::size_t at) const {
    return at < tenths_.size() ? tenths_[at] : kWhole;
  }

 private:
  static constexpr std::uint32_t kWhole = 10;

  std::vector<std::uint32_t> tenths_;
};

}  // namespace headgate::balance
