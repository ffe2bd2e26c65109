#include <fmt/format.h>

#include <string>

#include "balance/policy.h"

namespace headgate::balance {
namespace {

// Weights of the backends that share the users with `chosen`.
std::uint64_t total_weight(const BackendSet& set, const Backend& chosen) {
  std::uint64_t total = 0;
  for (const Backend& backend : set.backends) {
    if (backend.share == 0 && backend.backup == chosen.backup && backend.service == Service::kIn) {
      total += backend.weight;
    }
  }
  return total;
}

std::string_view rule(const BackendSet& set) {
  switch (set.policy) {
    case Policy::kUserHash:
      return set.load_bound == 0 ? "the best bid for the user"
                                 : "the best bid for the user of those with room";
    case Policy::kSourceHash:
      return "the best bid for the client's address";
    case Policy::kLeastSessions:
      return "the fewest sessions by weight at this moment";
    case Policy::kPowerOfTwo:
      return "the one with fewer sessions by weight of two drawn by weight";
    case Policy::kRoundRobin:
      return "its turn, which comes as often as its weight says";
    case Policy::kRandom:
      return "drawn by weight";
    case Policy::kFirst:
      return "the first in the order of the file that is up and not full";
  }
  return "";
}

}  // namespace

std::string explain(const BackendSet& set, const Request& request, std::uint32_t chosen) {
  const Backend& backend = set.backends[chosen];
  if (backend.share != 0) {
    return fmt::format("share: {}.{:02} % of the pool's users belong to it, this one among them",
                       backend.share / 100, backend.share % 100);
  }
  std::string text =
      fmt::format("policy {}: {}; weight {} of {}{}", name(set.policy), rule(set), backend.weight,
                  total_weight(set, backend), backend.backup ? " of the backups" : " in the pool");
  if (set.policy == Policy::kUserHash && set.load_bound != 0) {
    fmt::format_to(std::back_inserter(text), "; no new users above {} % of its share of sessions",
                   set.load_bound);
  }
  if (backend.backup) {
    text += "; a backup, since no other backend is up";
  }
  if (!is_up(backend, request.now_ms)) {
    text += "; none that might take the user is up";
  }
  return text;
}

}  // namespace headgate::balance
