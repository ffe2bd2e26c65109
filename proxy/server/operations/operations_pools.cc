#include <uv.h>

#include <algorithm>
#include <utility>

#include "server/operations/operations.h"

// What operators are shown of the process and its pools.
namespace headgate::server {
namespace {

void add_backend(admin::PoolView& pool, const balance::Backend& backend, std::int64_t now_ms) {
  pool.sessions += balance::sessions_of(backend);
  if (backend.state) {
    pool.waiting += backend.state->admission.waiting();
  }
  if (backend.service != balance::Service::kIn) {
    ++pool.drained;
  } else if (balance::is_up(backend, now_ms)) {
    ++pool.up;
  } else {
    ++pool.down;
  }
}

}  // namespace

admin::StatusView Operations::status() {
  admin::StatusView status = around_.status();
  status.state_is_kept = !around_.snapshot()->config.admin.state_file.empty();
  status.pools = pools();
  return status;
}

std::vector<admin::PoolView> Operations::pools() {
  const auto snapshot = around_.snapshot();
  const Discovery discovery = around_.discovery();
  const auto now_ms = static_cast<std::int64_t>(uv_hrtime() / 1'000'000);
  std::vector<admin::PoolView> views;
  for (const auto& set : around_.pools()) {
    admin::PoolView pool{.name = set->pool,
                         .policy = std::string(balance::name(set->policy)),
                         .backends = set->backends.size(),
                         .load_spread = balance::load_spread(*set, now_ms),
                         .weight_away = balance::weight_away(*set),
                         .srv = srv_view(discovery, set->pool)};
    for (const balance::Backend& backend : set->backends) {
      add_backend(pool, backend, now_ms);
    }
    const auto configured =
        std::ranges::find(snapshot->config.pools, set->pool, &config::Pool::name);
    if (configured != snapshot->config.pools.end()) {
      pool.max_sessions = configured->max_sessions;
      const auto at = static_cast<std::size_t>(configured - snapshot->config.pools.begin());
      pool.held = snapshot->limits->held_count(at).load(std::memory_order_relaxed);
    }
    views.push_back(std::move(pool));
  }
  return views;
}

}  // namespace headgate::server
