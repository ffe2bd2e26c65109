#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace headgate::bench {

// Counts of durations in nanoseconds in buckets whose width grows with the value: 128 to each power
// of two, so any percentile is right within 0.8 %. Fixed memory, constant time, no sampling.
class Histogram {
 public:
  void record(std::int64_t ns);
  void clear() { *this = Histogram(); }

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::int64_t max() const { return max_; }
  [[nodiscard]] double mean() const;
  // The value that `share` (0 to 1) of all do not exceed; 0 when nothing was recorded.
  [[nodiscard]] std::int64_t percentile(double share) const;

 private:
  static constexpr unsigned kSubBits = 7;
  static constexpr unsigned kMaxBits = 42;  // over an hour; longer ones count as that

  static std::size_t bucket_of(std::uint64_t value);
  static std::uint64_t top_of(std::size_t bucket);

  std::array<std::uint64_t, (kMaxBits - kSubBits + 1) << kSubBits> buckets_{};
  std::uint64_t count_ = 0;
  double sum_ = 0;
  std::int64_t max_ = 0;
};

}  // namespace headgate::bench
