#pragma once

#include <cstdint>

#include "load/bench.h"
#include "load/report.h"

namespace headgate::bench {

// The part of a run that counts: after the warm-up, `seconds` long. What happens outside is not
// counted.
class Window {
 public:
  explicit Window(Bench& bench) : bench_(bench) {}

  // Runs the loop through the warm-up and then through what counts.
  void run();
  void begin();
  void end();
  [[nodiscard]] bool is_open() const { return open_; }

  // One unit of work more, with so many bytes moved.
  void count(std::uint64_t bytes = 0) {
    if (open_) {
      ++units_;
      bytes_ += bytes;
    }
  }
  [[nodiscard]] std::uint64_t units() const { return units_; }

  // units, seconds, units_per_second, own and proxy CPU, both by unit and by GB, the machine's TCP
  // segments by unit. Nothing counted is a failure.
  void report(Report& report) const;

 private:
  // Where a profiler waits for it.
  void tell_profiler(const char* command) const;

  Bench& bench_;
  bool open_ = false;
  std::uint64_t units_ = 0;
  std::uint64_t bytes_ = 0;
  std::int64_t begun_at_ = 0;
  double seconds_ = 0;
  double own_cpu_ = 0;
  double proxy_cpu_ = 0;
  double segments_ = 0;
};

}  // namespace headgate::bench
