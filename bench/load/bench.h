#pragma once

#include <netinet/in.h>

#include <array>

#include "common/event_loop.h"
#include "load/meter.h"
#include "load/options.h"
#include "load/tls_client.h"

namespace headgate::bench {

// What everything in a run shares.
struct Bench {
  explicit Bench(const Options& run_options);

  const Options& options;
  EventLoop loop;
  TlsClient tls;
  Meter meter;
  sockaddr_in target;
  // Read into by one connection at a time; nothing stays in it.
  std::array<char, 65'536> scratch{};

  [[nodiscard]] std::int64_t deadline() const;  // of anything that should end by itself
};

}  // namespace headgate::bench
