#pragma once

#include <cstdint>
#include <vector>

#include "config/config.h"
#include "metrics/collector.h"
#include "server/snapshot.h"

namespace headgate::server {

// The backend sets of a configuration. Resolves names, so it blocks; a name that does not resolve
// is logged and leaves a backend without addresses. What `before` knows of a backend (sessions,
// failures) is kept, by pool and address.
Pools make_pools(const config::Config& config, const Pools& before);

// Whether both send users to the same addresses.
bool same_addresses(const Pools& one, const Pools& other);

std::vector<metrics::BackendFigures> figures(const Pools& pools, std::int64_t now_ms);

}  // namespace headgate::server
