#include "balance/latency.h"

#include <numeric>

namespace headgate::balance {

LatencyCounts LatencyCounter::read() const {
  LatencyCounts counts;
  for (std::size_t at = 0; at < counts.size(); ++at) {
    counts[at] = counts_[at].load(std::memory_order_relaxed);
  }
  return counts;
}

void LatencyWindow::step(const LatencyCounts& now) {
  LatencyCounts& step = steps_[next_];
  next_ = (next_ + 1) % kSteps;
  for (std::size_t at = 0; at < now.size(); ++at) {
    const std::uint32_t fresh = now[at] - seen_[at];
    sum_[at] += fresh - step[at];
    step[at] = fresh;
  }
  seen_ = now;
}

std::uint64_t LatencyWindow::count() const {
  return std::accumulate(sum_.begin(), sum_.end(), std::uint64_t{0});
}

std::uint64_t LatencyWindow::percentile_us(unsigned percent) const {
  const std::uint64_t all = count();
  if (all == 0) {
    return 0;
  }
  std::uint64_t left = (all * percent + 99) / 100;
  for (std::size_t at = 0; at < sum_.size(); ++at) {
    if (sum_[at] >= left) {
      return latency_bound_us(at);
    }
    left -= sum_[at];
  }
  return latency_bound_us(sum_.size() - 1);
}

}  // namespace headgate::balance
