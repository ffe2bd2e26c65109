#pragma once

#include <cstdint>

namespace headgate::metrics {

// What the kernel says of this process at one moment; 0 where it does not say.
struct ProcessFigures {
  double cpu_seconds = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;
  double start_time = 0;  // Unix time
};

ProcessFigures read_process_figures();

}  // namespace headgate::metrics
