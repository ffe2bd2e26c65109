#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "metrics/instruments.h"
#include "metrics/labels.h"

namespace headgate::metrics {

// The file that keeps over a restart which users live in which pool.
struct PoolMemoryFigures {
  std::uint64_t written = 0;
  std::uint64_t failed = 0;
};

// Logins that one pool of a source with several has let in.
struct PoolLogins {
  std::string pool;
  std::array<std::uint64_t, kPoolFoundNames.size()> by{};
};

// One user source at one moment: what all workers share of it.
struct SourceFigures {
  std::string source;  // its name in the configuration
  bool breaker_open = false;
  std::uint64_t breaker_openings = 0;
  std::uint64_t cache_entries = 0;
  std::vector<PoolLogins> pools = {};  // empty: there is one pool
  std::uint64_t pools_remembered = 0;
};

// One lookup server of one user source at one moment.
struct LookupServerFigures {
  std::string source;  // its name in the configuration
  std::string server;  // its URL
  std::array<std::uint64_t, kLookupResultNames.size()> requests{};
  std::uint64_t hedges = 0;
  bool up = true;
  std::array<std::uint64_t, kHistogramBounds + 1> durations{};  // by kLoginBounds
  std::uint64_t sum_us = 0;
};

}  // namespace headgate::metrics
