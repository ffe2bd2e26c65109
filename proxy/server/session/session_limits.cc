#include "server/session/session_limits.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "balance/bid.h"

namespace headgate::server {

using dialogue::LoginFailure;

std::uint32_t near_limit(std::uint32_t limit) {
  return limit - limit / 5;
}

SessionLimits::SessionLimits(const config::Config& config, std::shared_ptr<SessionCounts> counts)
    : config_(config), counts_(std::move(counts)) {
  for (const config::Listener& listener : config.listeners) {
    listeners_.push_back(&counts_->listener(listener.name));
  }
  for (const config::Pool& pool : config.pools) {
    pools_.push_back(&counts_->pool(pool.name));
  }
}

bool SessionLimits::add(Count& count, std::uint32_t limit) {
  if (count.sessions.fetch_add(1, std::memory_order_relaxed) < limit || limit == 0) {
    return true;
  }
  remove(count);
  return false;
}

void SessionLimits::remove(Count& count) {
  count.sessions.fetch_sub(1, std::memory_order_relaxed);
}

std::uint64_t SessionLimits::network_of(const IpAddress& client) const {
  const config::Limits& limits = config_.limits;
  if (limits.sessions_per_network == 0 && limits.sessions_per_user_and_network == 0) {
    return 0;
  }
  if (std::ranges::any_of(limits.exempt,
                          [&](const Network& network) { return network.contains(client); })) {
    return 0;
  }
  return std::max<std::uint64_t>(
      balance::network_key(client, limits.ipv4_prefix, limits.ipv6_prefix), 1);
}

std::optional<LoginFailure> SessionLimits::full(std::size_t listener,
                                                const IpAddress& client) const {
  const unsigned limit = config_.listeners[listener].max_sessions;
  if (limit != 0 && listeners_[listener]->sessions.load(std::memory_order_relaxed) >= limit) {
    return LoginFailure::kListenerFull;
  }
  const unsigned of_network = config_.limits.sessions_per_network;
  const std::uint64_t network = of_network != 0 ? network_of(client) : 0;
  if (network != 0 && counts_->networks.count(network) >= of_network) {
    return LoginFailure::kNetworkLimit;
  }
  return std::nullopt;
}

bool SessionLimits::pool_full(std::size_t pool) const {
  const unsigned limit = config_.pools[pool].max_sessions;
  return limit != 0 && pools_[pool]->sessions.load(std::memory_order_relaxed) >= limit;
}

std::optional<LoginFailure> SessionLimits::take(Share& share, std::size_t listener,
                                                std::size_t pool, const IpAddress& client,
                                                std::uint64_t user, bool own_limit) {
  const config::Limits& limits = config_.limits;
  if (!add(*listeners_[listener], config_.listeners[listener].max_sessions)) {
    return LoginFailure::kListenerFull;
  }
  share = {.listener = listeners_[listener], .pool = pools_[pool]};
  std::optional<LoginFailure> refused;
  const std::uint64_t network = network_of(client);
  if (network != 0 && limits.sessions_per_network != 0) {
    if (counts_->networks.add(network, limits.sessions_per_network)) {
      share.network = network;
    } else {
      refused = LoginFailure::kNetworkLimit;
    }
  }
  if (!refused && network != 0 && limits.sessions_per_user_and_network != 0) {
    const std::uint64_t both = std::max<std::uint64_t>(balance::mix(network) ^ user, 1);
    // Counted all the same, for the day on which the source says nothing any more.
    const std::uint32_t most = own_limit ? std::numeric_limits<std::uint32_t>::max()
                                         : limits.sessions_per_user_and_network;
    if (counts_->user_networks.add(both, most)) {
      share.user_network = both;
    } else {
      refused = LoginFailure::kUserNetworkLimit;
    }
  }
  if (!add(*pools_[pool], config_.pools[pool].max_sessions)) {
    ++pools_[pool]->sessions;  // given back below, with the rest
    refused = refused ? refused : LoginFailure::kPoolFull;
  }
  if (refused) {
    give_back(share);
  }
  return refused;
}

void SessionLimits::give_back(Share& share) {
  if (share.listener == nullptr) {
    return;
  }
  remove(*share.listener);
  remove(*share.pool);
  if (share.network != 0) {
    counts_->networks.remove(share.network);
  }
  if (share.user_network != 0) {
    counts_->user_networks.remove(share.user_network);
  }
  share = {};
}

std::vector<metrics::LimitFigures> SessionLimits::figures(std::uint32_t most_of_a_user,
                                                          std::size_t users_near) const {
  const config::Limits& limits = config_.limits;
  std::vector<metrics::LimitFigures> all;
  const auto note = [&all](std::string_view scope, const std::string& of, std::uint32_t limit,
                           std::uint32_t most, std::size_t near) {
    if (limit != 0) {
      all.push_back({scope, of, limit, most, near});
    }
  };
  const auto note_one = [&note](std::string_view scope, const std::string& of, std::uint32_t limit,
                                const Count& count) {
    const std::uint32_t now = count.sessions.load(std::memory_order_relaxed);
    note(scope, of, limit, now, now >= near_limit(limit) ? 1 : 0);
  };
  note("user", "", limits.sessions_per_user, most_of_a_user, users_near);
  const auto networks = counts_->networks.stats(near_limit(limits.sessions_per_network));
  note("network", "", limits.sessions_per_network, networks.most, networks.near);
  const auto both = counts_->user_networks.stats(near_limit(limits.sessions_per_user_and_network));
  note("user_network", "", limits.sessions_per_user_and_network, both.most, both.near);
  for (std::size_t i = 0; i < config_.listeners.size(); ++i) {
    note_one("listener", config_.listeners[i].name, config_.listeners[i].max_sessions,
             *listeners_[i]);
  }
  for (std::size_t i = 0; i < config_.pools.size(); ++i) {
    note_one("pool", config_.pools[i].name, config_.pools[i].max_sessions, *pools_[i]);
  }
  return all;
}

}  // namespace headgate::server
