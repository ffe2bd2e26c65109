#include "server/backend_search.h"

namespace headgate::server {

std::optional<BackendSearch::Attempt> BackendSearch::next() {
  bool new_round = false;
  // One pass over all candidates finds an address or proves that there is none.
  for (std::size_t steps = 0; steps <= candidates_.order.size() + 1; ++steps) {
    if (candidate_ >= candidates_.order.size()) {
      if (candidates_.order.empty() || ++round_ >= kRounds) {
        return std::nullopt;
      }
      candidate_ = address_ = 0;
      new_round = true;
      continue;
    }
    const balance::Backend& backend = set_->backends[candidates_.order[candidate_]];
    if (address_ < backend.endpoints.size()) {
      current_ = candidates_.order[candidate_];
      return Attempt{current_, backend.endpoints[address_++], new_round};
    }
    ++candidate_;
    address_ = 0;
  }
  return std::nullopt;
}

}  // namespace headgate::server
