#include "server/snapshot.h"

#include <algorithm>
#include <utility>

namespace headgate::server {

Snapshot::Snapshot(config::Config loaded, std::shared_ptr<SessionCounts> counts)
    : config(std::move(loaded)),
      routing(config),
      placement(config),
      limits(std::make_unique<SessionLimits>(config, std::move(counts))) {
  for (const config::Listener& listener : config.listeners) {
    protocols.push_back(make_imap(listener, config));
  }
}

std::optional<std::size_t> Snapshot::find_listener(std::string_view name) const {
  const auto found = std::ranges::find(config.listeners, name, &config::Listener::name);
  if (found == config.listeners.end()) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(found - config.listeners.begin());
}

}  // namespace headgate::server
