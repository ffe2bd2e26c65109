#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

// How long logins at a backend took: counted by all workers, read by the one who judges.
namespace headgate::balance {

// Bucket 0 is below 1 ms; then four to each doubling, so that neighbours are 14 to 25 % apart; the
// last one takes what is beyond 29 s.
inline constexpr std::size_t kLatencyBuckets = 64;

constexpr std::size_t latency_bucket(std::uint64_t us) {
  constexpr unsigned kFirst = 10;  // 2^10 us
  if (us < (std::uint64_t{1} << kFirst)) {
    return 0;
  }
  const unsigned power = static_cast<unsigned>(std::bit_width(us)) - 1;
  const std::size_t quarter = (us >> (power - 2)) & 3;
  const std::size_t bucket = 1 + (power - kFirst) * std::size_t{4} + quarter;
  return bucket < kLatencyBuckets ? bucket : kLatencyBuckets - 1;
}

// What lies in the bucket is below this.
constexpr std::uint64_t latency_bound_us(std::size_t bucket) {
  return bucket == 0 ? 1024 : std::uint64_t{5 + (bucket - 1) % 4} << (8 + (bucket - 1) / 4);
}

using LatencyCounts = std::array<std::uint32_t, kLatencyBuckets>;

// Counts since the beginning; they wrap around.
class LatencyCounter {
 public:
  void add(std::uint64_t us) {
    counts_[latency_bucket(us)].fetch_add(1, std::memory_order_relaxed);
  }
  [[nodiscard]] LatencyCounts read() const;

 private:
  std::array<std::atomic<std::uint32_t>, kLatencyBuckets> counts_{};
};

// The last kSteps steps of a counter.
class LatencyWindow {
 public:
  static constexpr std::size_t kSteps = 6;

  // From here on.
  explicit LatencyWindow(const LatencyCounts& now) : seen_(now) {}
  // The counter stands so at the end of a step.
  void step(const LatencyCounts& now);
  [[nodiscard]] std::uint64_t count() const;
  // Below which `percent` of those in the window lie; 0 when it is empty.
  [[nodiscard]] std::uint64_t percentile_us(unsigned percent) const;

 private:
  LatencyCounts seen_{};
  std::array<LatencyCounts, kSteps> steps_{};
  LatencyCounts sum_{};
  std::size_t next_ = 0;
};

}  // namespace headgate::balance
