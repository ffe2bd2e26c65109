#include "sources/directories.h"

#include <algorithm>

namespace headgate::sources {

std::chrono::milliseconds Directories::patience() const {
  const auto share = deadline / static_cast<int>(servers.size());
  return hedge_after.count() > 0 ? std::min(hedge_after, share) : share;
}

auth::LookupResult Directories::explain(std::string_view user) const {
  std::vector<DirectoryPool*> order;
  for (const auto& server : servers) {
    order.push_back(server.get());
  }
  std::ranges::stable_partition(
      order, [](const DirectoryPool* server) { return server->server().is_up(); });
  const Clock::time_point end = Clock::now() + deadline;
  auth::LookupResult result = auth::Unavailable{"no server was asked in time"};
  for (std::size_t at = 0; at < order.size(); ++at) {
    const Clock::time_point now = Clock::now();
    result = order[at]->explain(user, now + (end - now) / static_cast<int>(order.size() - at));
    if (!std::holds_alternative<auth::Unavailable>(result)) {
      break;
    }
  }
  return result;
}

void Directories::add_figures(const std::string& source,
                              std::vector<metrics::LookupServerFigures>& all) const {
  for (const auto& server : servers) {
    if (!server->server().name().empty()) {
      all.push_back(server->server().figures(source));
    }
  }
}

}  // namespace headgate::sources
