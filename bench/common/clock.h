#pragma once

#include <ctime>

#include <cstdint>

namespace headgate::bench {

inline constexpr std::int64_t kNsPerMs = 1'000'000;
inline constexpr std::int64_t kNsPerSecond = 1'000'000'000;

// Nanoseconds of the monotonic clock: the same clock for every process of the machine, so a backend
// may stamp a push and the load generator subtract.
inline std::int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kNsPerSecond + now.tv_nsec;
}

}  // namespace headgate::bench
