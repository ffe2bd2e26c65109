#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "balance/backend_set.h"

namespace headgate::balance {

// What a decision depends on beside the set.
struct Request {
  std::uint64_t user = 0;    // user_key() of the user
  std::uint64_t source = 0;  // source_key() of the client
  std::uint64_t random = 0;  // 64 random bits
  std::uint64_t turn = 0;    // one more with each login to the pool
  std::int64_t now_ms = 0;   // steady clock
};

// Where a user may go, best first: what policy and state allow, each backend once.
struct Candidates {
  std::vector<std::uint32_t> order;
};

// The policies. All are pure but for reading the states, and all respect the weights:
//
//   kUserHash       weighted rendezvous hashing of the user; with a load bound, the best of those
//                   with room
//   kLeastSessions  the fewest sessions by weight
//   kPowerOfTwo     two drawn by weight, of them the one with fewer sessions by weight
//   kRoundRobin     in turns: each run of (sum of weights / weight_step) turns has each backend as
//                   often as its weight says, evenly spread
//   kRandom         drawn by weight
//   kFirst          the first in the order of the file that is not full
//   kSourceHash     as kUserHash without a bound, of the client's address
//
// Whatever the policy: a backend with weight 0 or as many sessions as it may have gets nobody;
// those that are up come before those that are down (is_up()), the ordinary ones before the backups
// among each. A backend with a share is for the users that claimed_share() gives it and is
// a candidate for no one else.

// The best choice alone; allocates nothing. nullopt: no backend may take the user.
std::optional<std::uint32_t> choose(const BackendSet& set, const Request& request);

// All candidates, the best choice first.
Candidates order(const BackendSet& set, const Request& request);

// The backend whose share the user belongs to, whether it is up or not; by the user alone and so
// always the same, whatever the policy.
std::optional<std::uint32_t> claimed_share(const BackendSet& set, std::uint64_t user);

std::string_view name(Policy policy);  // "user_hash"

// Why `chosen` is the choice, in words: "policy user_hash: the best bid for the user; weight 100 of
// 300 …".
std::string explain(const BackendSet& set, const Request& request, std::uint32_t chosen);

}  // namespace headgate::balance
