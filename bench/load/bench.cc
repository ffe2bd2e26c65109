#include "load/bench.h"

#include "common/clock.h"
#include "common/sockets.h"

namespace headgate::bench {

Bench::Bench(const Options& run_options)
    : options(run_options),
      meter(run_options),
      target(parse_address(run_options.host, run_options.port)) {}

std::int64_t Bench::deadline() const {
  return now_ns() + static_cast<std::int64_t>(options.timeout * static_cast<double>(kNsPerSecond));
}

}  // namespace headgate::bench
