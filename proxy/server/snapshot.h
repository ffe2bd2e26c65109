#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "balance/backend_set.h"
#include "config/config.h"
#include "net/tls.h"
#include "server/placement.h"
#include "server/protocol.h"
#include "server/routing.h"

namespace headgate::server {

// Everything a worker reads and nobody writes: made by the supervisor, shared by pointer.
struct Snapshot {
  config::Config config;
  std::vector<std::unique_ptr<Protocol>> protocols;  // as config.listeners
  std::unique_ptr<Routing> routing;
  std::unique_ptr<Placement> placement;
  std::shared_ptr<const net::TicketKeys> ticket_keys;
};

// The backends of every pool, as config.pools; replaced whole when names resolve to something new.
using Pools = std::vector<std::shared_ptr<const balance::BackendSet>>;

}  // namespace headgate::server
