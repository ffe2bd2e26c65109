#include "server/session/user_place.h"

#include <algorithm>
#include <limits>

namespace headgate::server {

using balance::BackendSet;
using balance::UserTable;

namespace {

std::uint32_t failures_in_a_row(const balance::Backend& backend) {
  return backend.state->failures_in_a_row.load(std::memory_order_relaxed);
}

// Where the user would be if every backend were up; 0: cannot be said, or there already.
std::uint64_t home_of(const BackendSet& set, balance::Request request, std::uint64_t backend) {
  if (set.policy != balance::Policy::kUserHash || set.load_bound != 0) {
    return 0;
  }
  request.now_ms = std::numeric_limits<std::int64_t>::max();
  const auto home = balance::choose(set, request);
  return home && set.slots[*home].hash != backend ? set.slots[*home].hash : 0;
}

}  // namespace

std::optional<std::uint32_t> index_of(const BackendSet& set, std::uint64_t backend) {
  const auto found = std::ranges::find(set.slots, backend, &balance::Slot::hash);
  if (found == set.slots.end()) {
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(found - set.slots.begin());
}

std::optional<UserTable::Decision> decide_place(const BackendSet& set,
                                                const UserTable::Place* place,
                                                const Placement::Choice& choice,
                                                const balance::Request& request,
                                                bool home_at_once) {
  std::optional<UserTable::Decision> chosen;
  if (choice.backend) {
    chosen = UserTable::Decision{.backend = set.slots[*choice.backend].hash, .home = 0};
  }
  if (place == nullptr) {
    if (chosen && home_at_once && !choice.pin && !choice.only) {
      chosen->home = home_of(set, request, chosen->backend);
    }
    return chosen;
  }
  if (choice.only) {
    return chosen;
  }
  if (home_at_once && place->home != 0) {
    const auto home = index_of(set, place->home);
    if (home && set.slots[*home].kind != balance::Slot::Kind::kNobody &&
        failures_in_a_row(set.backends[*home]) == 0 &&
        balance::is_up(set.backends[*home], request.now_ms)) {
      return UserTable::Decision{.backend = place->home, .home = 0};
    }
  }
  const auto here = index_of(set, place->backend);
  const bool stays = here && balance::keeps_users(set.backends[*here]) &&
                     (balance::is_up(set.backends[*here], request.now_ms) ||
                      (place->established != 0 &&
                       failures_in_a_row(set.backends[*here]) < balance::kFailuresToLeave));
  if (!stays && chosen) {
    return chosen;
  }
  return here ? std::optional(UserTable::Decision{.backend = place->backend, .home = 0}) : chosen;
}

}  // namespace headgate::server
