#pragma once

#include <chrono>
#include <cstdint>

namespace headgate {

// Seconds since 1970 by the system's clock: for what people read and files keep, never for
// deadlines.
inline std::int64_t unix_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace headgate
