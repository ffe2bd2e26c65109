#include "load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace headgate::bench {

// Values below 2^kSubBits have a bucket each; from there on the highest kSubBits + 1 bits choose
// it.
std::size_t Histogram::bucket_of(std::uint64_t value) {
  const auto bits = static_cast<unsigned>(std::bit_width(value));
  if (bits <= kSubBits) {
    return value;
  }
  const unsigned shift = bits - kSubBits - 1;
  const std::uint64_t within = (value >> shift) - (1U << kSubBits);
  return (static_cast<std::size_t>(shift + 1) << kSubBits) + within;
}

std::uint64_t Histogram::top_of(std::size_t bucket) {
  const std::size_t group = bucket >> kSubBits;
  const std::uint64_t within = bucket & ((1U << kSubBits) - 1);
  if (group == 0) {
    return within;
  }
  const std::size_t shift = group - 1;
  return ((within + (1U << kSubBits) + 1) << shift) - 1;
}

void Histogram::record(std::int64_t ns) {
  const std::int64_t value = std::clamp<std::int64_t>(ns, 0, (std::int64_t{1} << kMaxBits) - 1);
  ++buckets_.at(bucket_of(static_cast<std::uint64_t>(value)));
  ++count_;
  sum_ += static_cast<double>(value);
  max_ = std::max(max_, value);
}

double Histogram::mean() const {
  return count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
}

std::int64_t Histogram::percentile(double share) const {
  if (count_ == 0) {
    return 0;
  }
  const auto rank = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    seen += buckets_[bucket];
    if (seen >= std::max<std::uint64_t>(rank, 1)) {
      return std::min(static_cast<std::int64_t>(top_of(bucket)), max_);
    }
  }
  return max_;
}

}  // namespace headgate::bench
