#pragma once

#include <algorithm>
#include <chrono>

namespace headgate::net {

// How long `work()` takes here: the shortest of a few times, since a busy machine can only make it
// longer. Zero: it returned false, so it does not work.
template <typename Work>
std::chrono::steady_clock::duration shortest(Work work) {
  using Clock = std::chrono::steady_clock;
  constexpr int kTimes = 8;
  auto best = Clock::duration::max();
  for (int i = 0; i < kTimes; ++i) {
    const auto begun = Clock::now();
    if (!work()) {
      return Clock::duration::zero();
    }
    best = std::min(best, Clock::now() - begun);
  }
  return best;
}

}  // namespace headgate::net
