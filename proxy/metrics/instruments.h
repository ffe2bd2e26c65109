#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

// What one thread counts and any other may read at any time. There is a single writer, so a count
// is a relaxed load and a relaxed store: no locked instruction, and no torn value for the reader.
namespace headgate::metrics {

class Counter {
 public:
  void add(std::uint64_t count = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void add(std::int64_t count = 1) { set(value() + count); }
  void subtract(std::int64_t count = 1) { set(value() - count); }
  void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  [[nodiscard]] std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

inline constexpr std::size_t kHistogramBounds = 15;
using Microseconds = std::chrono::microseconds;
// Upper bounds of the buckets, ascending, inclusive; one more bucket takes what is beyond.
using Bounds = std::array<Microseconds, kHistogramBounds>;

// 1 ms to 30 s, for logins and their stages.
inline constexpr Bounds kLoginBounds = [] {
  using namespace std::chrono_literals;
  return Bounds{1ms, 2ms, 5ms, 10ms, 20ms, 50ms, 100ms, 200ms, 500ms, 1s, 2s, 5s, 10s, 20s, 30s};
}();
// 1 s to a day, for sessions.
inline constexpr Bounds kSessionBounds = [] {
  using namespace std::chrono_literals;
  return Bounds{1s, 5s, 15s, 30s, 1min, 2min, 5min, 10min, 30min, 1h, 2h, 4h, 8h, 12h, 24h};
}();
// 0.1 ms to 10 s, for the turns of a loop.
inline constexpr Bounds kLagBounds = [] {
  using namespace std::chrono_literals;
  return Bounds{100us, 250us, 500us, 1ms,   2500us, 5ms, 10ms, 25ms,
                50ms,  100ms, 250ms, 500ms, 1s,     5s,  10s};
}();

// Counts durations into fixed buckets. `bounds` is static.
class Histogram {
 public:
  explicit Histogram(const Bounds& bounds) : bounds_(&bounds) {}

  // A negative duration counts as zero.
  void observe(Microseconds duration) {
    if (duration < Microseconds::zero()) {
      duration = Microseconds::zero();
    }
    std::size_t bucket = 0;
    while (bucket < kHistogramBounds && duration > (*bounds_)[bucket]) {
      ++bucket;
    }
    counts_[bucket].add();
    sum_us_.add(static_cast<std::uint64_t>(duration.count()));
  }

  [[nodiscard]] const Bounds& bounds() const { return *bounds_; }
  // Of one bucket alone, not of those below it; `bucket` 0 to kHistogramBounds.
  [[nodiscard]] std::uint64_t count(std::size_t bucket) const { return counts_[bucket].value(); }
  [[nodiscard]] std::uint64_t sum_us() const { return sum_us_.value(); }

 private:
  const Bounds* bounds_;
  std::array<Counter, kHistogramBounds + 1> counts_;
  Counter sum_us_;
};

}  // namespace headgate::metrics
