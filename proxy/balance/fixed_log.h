#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

// Logarithms in fixed point: the same bits on every machine and with every compiler and C library,
// which std::log does not promise, and a third of its time.
namespace headgate::balance {

// Fraction bits of the results. A logarithm is below 2^46 then, so it can be multiplied by a weight
// up to kWeightLimit within 64 bits.
inline constexpr unsigned kLogBits = 40;
inline constexpr std::uint64_t kWeightLimit = (std::uint64_t{1} << 17) - 1;

namespace detail {

inline constexpr unsigned kTableBits = 10;

// log2(1 + at / 1024), bit by bit: squaring a number doubles its logarithm.
constexpr std::uint64_t log2_of_step(std::uint64_t at) {
  std::uint64_t y = (std::uint64_t{1} << 31) + (at << (31 - kTableBits));  // 1 <= y < 2 as Q31
  std::uint64_t result = 0;
  for (unsigned bit = 0; bit < kLogBits; ++bit) {
    y = (y * y) >> 31;
    result <<= 1;
    if ((y >> 32) != 0) {
      result |= 1;
      y >>= 1;
    }
  }
  return result;
}

inline constexpr auto kTable = [] {
  std::array<std::uint64_t, (std::size_t{1} << kTableBits) + 1> table{};
  for (std::size_t at = 0; at + 1 < table.size(); ++at) {
    table[at] = log2_of_step(at);
  }
  table.back() = std::uint64_t{1} << kLogBits;
  return table;
}();

}  // namespace detail

// -log2(x / 2^64), for x > 0, by linear interpolation: never rising with x, and within 0.2 % of
// the true value.
inline std::uint64_t minus_log2(std::uint64_t x) {
  using detail::kTableBits;
  const auto zeros = static_cast<unsigned>(std::countl_zero(x));
  const std::uint64_t fraction = (x << zeros) << 1;  // behind the leading one
  const std::size_t at = fraction >> (64 - kTableBits);
  const std::uint64_t within = (fraction << kTableBits) >> 32;
  const std::uint64_t low = detail::kTable[at];
  const std::uint64_t log =
      low + (((detail::kTable[at + 1] - low) * within) >> 32);  // of the mantissa, 0 to 1
  return (std::uint64_t{zeros + 1} << kLogBits) - log;
}

}  // namespace headgate::balance
