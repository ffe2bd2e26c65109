#include "server/pools.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/log.h"
#include "net/socket.h"

namespace headgate::server {
namespace {

balance::Policy policy_of(config::Policy policy) {
  switch (policy) {
    case config::Policy::kUserHash:
      break;
    case config::Policy::kLeastSessions:
      return balance::Policy::kLeastSessions;
    case config::Policy::kPowerOfTwo:
      return balance::Policy::kPowerOfTwo;
    case config::Policy::kRoundRobin:
      return balance::Policy::kRoundRobin;
    case config::Policy::kRandom:
      return balance::Policy::kRandom;
    case config::Policy::kFirst:
      return balance::Policy::kFirst;
    case config::Policy::kSourceHash:
      return balance::Policy::kSourceHash;
  }
  return balance::Policy::kUserHash;
}

std::shared_ptr<std::atomic<std::uint64_t>> turns_of(const Pools& before, const std::string& pool) {
  const auto known = std::ranges::find(
      before, pool, [](const auto& set) -> const std::string& { return set->pool; });
  return known != before.end() ? (*known)->turns : std::make_shared<std::atomic<std::uint64_t>>(0);
}

// The backend of this pool with this address; null when there is none.
const balance::Backend* find_backend(const Pools& pools, const std::string& pool,
                                     const HostPort& address) {
  for (const auto& set : pools) {
    if (set->pool != pool) {
      continue;
    }
    const auto found = std::ranges::find(set->backends, address, &balance::Backend::address);
    if (found != set->backends.end()) {
      return &*found;
    }
  }
  return nullptr;
}

std::optional<metrics::AdmissionFigures> admission_of(const balance::BackendSet& set,
                                                      const balance::BackendState& state) {
  if (!set.admission.on) {
    return std::nullopt;
  }
  const balance::Admission& admission = state.admission;
  return metrics::AdmissionFigures{.limit = admission.limit(set.admission),
                                   .under_way = admission.under_way(),
                                   .waiting = admission.waiting(),
                                   .refused = admission.refused()};
}

}  // namespace

Pools make_pools(const config::Config& config, const Pools& before) {
  Pools pools;
  for (const config::Pool& pool : config.pools) {
    auto set = std::make_shared<balance::BackendSet>();
    set->pool = pool.name;
    set->policy = policy_of(pool.policy);
    set->load_bound = pool.load_bound;
    set->turns = turns_of(before, pool.name);
    set->admission = {.on = pool.admission.enabled,
                      .least = pool.admission.least,
                      .most = pool.admission.most,
                      .queue = pool.admission.queue};
    for (const config::Backend& configured : pool.backends) {
      balance::Backend backend;
      backend.address = configured.address;
      backend.weight = configured.weight;
      backend.backup = configured.backup;
      backend.share = configured.share;
      backend.max_sessions = configured.max_sessions;
      backend.hash = balance::backend_key(configured.address);
      const balance::Backend* known = find_backend(before, pool.name, configured.address);
      backend.state = known != nullptr ? known->state : std::make_shared<balance::BackendState>();
      if (auto endpoints = net::resolve(configured.address)) {
        backend.endpoints = std::move(*endpoints);
      } else {
        // A resolver that fails for a moment must not take a backend away.
        backend.endpoints = known != nullptr ? known->endpoints : std::vector<Endpoint>();
        const std::string name = configured.address.to_string();
        log::warning("backend name does not resolve",
                     {{"pool", pool.name}, {"backend", name}, {"error", endpoints.error()}});
      }
      set->backends.push_back(std::move(backend));
    }
    balance::prepare(*set);
    pools.push_back(std::move(set));
  }
  return pools;
}

Pools departed(const Pools& before, const Pools& now) {
  Pools all;
  for (const auto& set : before) {
    auto rest = std::make_shared<balance::BackendSet>();
    rest->pool = set->pool;
    for (const balance::Backend& backend : set->backends) {
      if (balance::sessions_of(backend) > 0 &&
          find_backend(now, set->pool, backend.address) == nullptr) {
        rest->backends.push_back(backend);
        rest->backends.back().weight = 0;
      }
    }
    if (!rest->backends.empty()) {
      balance::prepare(*rest);
      all.push_back(std::move(rest));
    }
  }
  return all;
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
                     .draining = backend.weight == 0 || backend.service != balance::Service::kIn,
                     .disabled = backend.service == balance::Service::kDisabled,
                     .admission = admission_of(*set, state)});
    }
  }
  return all;
}

}  // namespace headgate::server
