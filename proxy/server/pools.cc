#include "server/pools.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "base/log.h"
#include "net/socket.h"

namespace headgate::server {
namespace {

std::shared_ptr<balance::BackendState> state_of(const Pools& before, const std::string& pool,
                                                const HostPort& address) {
  for (const auto& set : before) {
    if (set->pool != pool) {
      continue;
    }
    for (const balance::Backend& backend : set->backends) {
      if (backend.address == address) {
        return backend.state;
      }
    }
  }
  return std::make_shared<balance::BackendState>();
}

}  // namespace

Pools make_pools(const config::Config& config, const Pools& before) {
  Pools pools;
  for (const config::Pool& pool : config.pools) {
    auto set = std::make_shared<balance::BackendSet>();
    set->pool = pool.name;
    for (const config::Backend& configured : pool.backends) {
      balance::Backend backend;
      backend.address = configured.address;
      backend.weight = configured.weight;
      backend.hash = balance::backend_key(configured.address);
      backend.state = state_of(before, pool.name, configured.address);
      if (auto endpoints = net::resolve(configured.address)) {
        backend.endpoints = std::move(*endpoints);
      } else {
        const std::string name = configured.address.to_string();
        log::warning("backend name does not resolve",
                     {{"pool", pool.name}, {"backend", name}, {"error", endpoints.error()}});
      }
      set->backends.push_back(std::move(backend));
    }
    pools.push_back(std::move(set));
  }
  return pools;
}

bool same_addresses(const Pools& one, const Pools& other) {
  return std::ranges::equal(one, other, [](const auto& a, const auto& b) {
    return std::ranges::equal(
        a->backends, b->backends, [](const balance::Backend& x, const balance::Backend& y) {
          return x.address == y.address && x.weight == y.weight && x.endpoints == y.endpoints;
        });
  });
}

std::vector<metrics::BackendFigures> figures(const Pools& pools, std::int64_t now_ms) {
  std::vector<metrics::BackendFigures> all;
  for (const auto& set : pools) {
    for (const balance::Backend& backend : set->backends) {
      const balance::BackendState& state = *backend.state;
      all.push_back({.pool = set->pool,
                     .backend = backend.address.to_string(),
                     .sessions = state.sessions.load(std::memory_order_relaxed),
                     .failures = state.failures.load(std::memory_order_relaxed),
                     .weight = backend.weight,
                     .up = !backend.endpoints.empty() &&
                           state.retry_at_ms.load(std::memory_order_relaxed) <= now_ms,
                     .draining = backend.weight == 0});
    }
  }
  return all;
}

}  // namespace headgate::server
