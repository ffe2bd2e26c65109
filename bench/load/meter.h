#pragma once

#include <optional>
#include <string>
#include <vector>

#include "load/options.h"

namespace headgate::bench {

// What the measured proxy costs: CPU time and memory of all its processes, read by the load
// generator itself so that the readings stand exactly at the begin and the end of what is counted.
//
// By cgroup the CPU time has nanoseconds and counts processes that have ended; by process tree it
// has the clock ticks of /proc and counts an ended process once its parent has waited for it.
class Meter {
 public:
  explicit Meter(const Options& options);

  [[nodiscard]] bool enabled() const { return kind_ != Kind::kNone; }
  [[nodiscard]] double cpu_seconds() const;
  // Proportional set size; processes that are gone by now count nothing.
  [[nodiscard]] double pss_bytes() const;
  // Kernel memory the cgroup is charged for (sockets, their buffers, descriptors).
  [[nodiscard]] std::optional<double> kernel_bytes() const;

 private:
  enum class Kind { kNone, kCgroup1, kCgroup2, kTree };

  [[nodiscard]] std::vector<std::string> processes() const;

  Kind kind_ = Kind::kNone;
  std::string place_;  // directory or process id
  std::string kernel_memory_;
};

// CPU seconds of this process.
double own_cpu_seconds();

// What all TCP sockets of this network namespace have sent so far, bare acknowledgements included.
double tcp_segments();

}  // namespace headgate::bench
