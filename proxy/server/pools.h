#pragma once

#include <cstdint>
#include <stop_token>
#include <vector>

#include "config/config.h"
#include "metrics/collector.h"
#include "server/discovery.h"
#include "server/snapshot.h"

namespace headgate::server {

// The backend sets of a configuration, those of pools with `srv` from `discovery`, which is as
// config.pools. Resolves names, so it blocks. What `before` knows of a backend is kept, by pool and
// address: sessions, failures, and the addresses it had when its name does not resolve now, which
// is logged; a new one then has none. Once `stop` is requested no name is resolved.
Pools make_pools(const config::Config& config, const Discovery& discovery, const Pools& before,
                 const std::stop_token& stop = {});

// The same order whatever DNS deals out, so that addresses dealt out anew are none that have
// changed: families as they come, and the addresses of each by number, once.
std::vector<Endpoint> in_order(std::vector<Endpoint> addresses);

// Those backends of `before` that are not in `now` and still have sessions, with weight 0.
Pools departed(const Pools& before, const Pools& now);

// Whether both send users to the same addresses.
bool same_addresses(const Pools& one, const Pools& other);

std::vector<metrics::BackendFigures> figures(const Pools& pools, std::int64_t now_ms);

}  // namespace headgate::server
