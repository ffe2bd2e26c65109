#include "server/session/backend_search.h"

#include <algorithm>

namespace headgate::server {

std::optional<BackendSearch::Attempt> BackendSearch::next() {
  bool new_round = false;
  for (;;) {
    if (candidate_ >= candidates_.order.size()) {
      add_the_others();
    }
    if (candidate_ >= candidates_.order.size()) {
      // A second beginning within one call proves that there is no address at all.
      if (candidates_.order.empty() || new_round || ++round_ >= kRounds) {
        return std::nullopt;
      }
      candidate_ = address_ = 0;
      new_round = true;
    }
    const balance::Backend& backend = set_->backends[candidates_.order[candidate_]];
    if (address_ == 0) {
      first_ = balance::first_address(backend);
    }
    current_ = candidates_.order[candidate_];
    if (const auto endpoint = next_address()) {
      return Attempt{current_, *endpoint, new_round};
    }
    ++candidate_;
    address_ = 0;
  }
}

std::optional<Endpoint> BackendSearch::next_address() {
  const auto& all = backend(current_).endpoints;
  if (address_ >= all.size()) {
    return std::nullopt;
  }
  return all[(first_ + address_++) % all.size()];
}

std::optional<BackendSearch::Attempt> BackendSearch::instead(std::uint32_t backend) {
  const auto here = candidates_.order.begin() + static_cast<std::ptrdiff_t>(candidate_);
  const auto known = std::ranges::find(candidates_.order, backend);
  if (known < here || set_->backends[backend].endpoints.empty()) {
    return std::nullopt;
  }
  if (known == candidates_.order.end()) {
    candidates_.order.insert(here, backend);
  } else {
    std::rotate(here, known, known + 1);
  }
  current_ = backend;
  address_ = 0;
  first_ = balance::first_address(set_->backends[backend]);
  return Attempt{current_, *next_address(), false};
}

void BackendSearch::add_the_others() {
  if (!request_) {
    return;
  }
  for (const std::uint32_t other : balance::order(*set_, *request_).order) {
    if (std::ranges::find(candidates_.order, other) == candidates_.order.end()) {
      candidates_.order.push_back(other);
    }
  }
  request_.reset();
}

}  // namespace headgate::server
