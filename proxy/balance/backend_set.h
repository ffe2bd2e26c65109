#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"

namespace headgate::balance {

// What all threads know of one backend; lives as long as anyone holds it and survives a reload by
// its pool and address. One cache line of its own, since every worker writes to it.
struct alignas(64) BackendState {
  std::atomic<std::int64_t> sessions{0};   // logged in or logging in
  std::atomic<std::uint64_t> failures{0};  // connects and logins that failed by the backend's fault
  std::atomic<std::uint32_t> failures_in_a_row{0};
  std::atomic<std::int64_t> retry_at_ms{0};  // tried last before this time (steady clock); 0: up
};

struct Backend {
  HostPort address;
  std::vector<Endpoint> endpoints;  // resolved; empty: the name does not resolve
  unsigned weight = 100;            // 0: no new users
  std::uint64_t hash = 0;  // of the address; part of the placement, so never changes meaning
  std::shared_ptr<BackendState> state;
};

// The backends of a pool at one moment; immutable, shared by pointer.
struct BackendSet {
  std::string pool;
  std::vector<Backend> backends;
};

// Where a user may go, best first: what policy and state allow, each backend once.
struct Candidates {
  std::vector<std::uint32_t> order;
};

// Stable 64-bit hashes: SipHash-2-4 with a fixed public key, over the user name or "host:port" with
// ASCII letters in lower case. Placement is no secret, only the same for ever on every machine.
std::uint64_t user_key(std::string_view user);
std::uint64_t backend_key(const HostPort& address);

// Weighted rendezvous hashing: each backend scores -weight / ln(h(user, backend)); the highest
// wins. A changed set moves only users to or from what changed. Backends with weight 0 are left
// out; those whose retry_at_ms is later than `now_ms`, and those whose name does not resolve, come
// last, in the same order among themselves. The order of the backends in the set does not matter.
// Integers alone, so the same everywhere. Pure but for reading the states.
Candidates by_user_hash(const BackendSet& set, std::uint64_t user, std::int64_t now_ms);

// Best choice only, no allocation; nullopt when no backend has a weight.
std::optional<std::uint32_t> first_by_user_hash(const BackendSet& set, std::uint64_t user,
                                                std::int64_t now_ms);

// Passive health. Failed: tried last for `base_ms`, doubling with each failure in a row up to 30 s,
// spread by ±20 % (`random`). Failures while it is tried last already are counted but do not double
// again: a hundred sessions that fail together are one failure in a row. Succeeded: up again.
void note_failure(BackendState& state, std::int64_t now_ms, std::int64_t base_ms,
                  std::uint64_t random);
void note_success(BackendState& state);

}  // namespace headgate::balance
