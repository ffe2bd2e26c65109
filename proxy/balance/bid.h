#pragma once

#include <algorithm>
#include <cstdint>

#include "balance/backend_set.h"
#include "balance/fixed_log.h"

// Weighted rendezvous hashing: each backend bids -log2(drawn) / weight for a key, the lowest wins.
// A changed set moves only keys to or from what changed. Integers alone, so the same everywhere.
// With a random key it is a weighted draw, and its order one without replacement.
namespace headgate::balance {

// A bijection that spreads every input bit over all output bits (Stafford's thirteenth variant of
// the MurmurHash3 finisher).
constexpr std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// Never 0, which has no logarithm.
inline std::uint64_t draw(const Slot& slot, std::uint64_t key) {
  return std::max<std::uint64_t>(mix(key ^ slot.hash), 1);
}

// Kept as a fraction, since comparing by cross-multiplication is exact.
struct Bid {
  std::uint64_t drawn = 0;
  std::uint64_t weight = 0;
  std::uint64_t distance = 0;

  // Ties go by what was drawn, never by the place in the file.
  friend bool operator<(const Bid& a, const Bid& b) {
    const std::uint64_t left = a.distance * b.weight;
    const std::uint64_t right = b.distance * a.weight;
    return left != right ? left < right : a.drawn > b.drawn;
  }
};

inline Bid make_bid(std::uint64_t drawn, std::uint64_t weight) {
  return {.drawn = drawn, .weight = weight, .distance = minus_log2(drawn)};
}

}  // namespace headgate::balance
