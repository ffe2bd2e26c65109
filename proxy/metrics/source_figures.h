#pragma once

#include <cstdint>
#include <string>

namespace headgate::metrics {

// One user source at one moment: what all workers share of it.
struct SourceFigures {
  std::string source;  // its name in the configuration
  bool breaker_open = false;
  std::uint64_t breaker_openings = 0;
  std::uint64_t cache_entries = 0;
};

}  // namespace headgate::metrics
