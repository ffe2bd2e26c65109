#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "balance/backend_set.h"
#include "config/config.h"
#include "server/protocol.h"
#include "server/session/placement.h"
#include "server/session/routing.h"
#include "server/session/session_limits.h"

namespace headgate::server {

// One configuration and what follows from it alone: made by the supervisor, shared by pointer,
// never changed. A reload makes another one; sessions keep the one they logged in under.
struct Snapshot {
  Snapshot(config::Config loaded, std::shared_ptr<SessionCounts> counts);

  [[nodiscard]] std::optional<std::size_t> find_listener(std::string_view name) const;

  const config::Config config;
  std::vector<std::unique_ptr<Protocol>> protocols;  // as config.listeners
  const Routing routing;
  const Placement placement;
  // The limits do not change, the counts do.
  const std::unique_ptr<SessionLimits> limits;
};

// The backends of every pool, as config.pools; replaced whole when names resolve to something new.
using Pools = std::vector<std::shared_ptr<const balance::BackendSet>>;

}  // namespace headgate::server
