#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "balance/bid.h"

namespace headgate::balance {

// A session's entry in the user table; see there.
struct UserLease {
  std::uint64_t user = 0;
  std::uint64_t backend = 0;  // Backend::hash of where this session goes
  std::uint32_t epoch = 0;    // of the user's place when the session was established
  bool counted = false;       // the table knows of it
  bool established = false;
};

// Which users have sessions, and where: what keeps all simultaneous sessions of a user on one
// backend, under every policy. One for the process, any thread; sharded, so that workers hardly
// meet. An entry lives while its user has sessions. Users are known by a 64-bit key, places by
// Backend::hash.
//
// A session joins when it is routed and leaves when it ends; in between it is established once the
// backend has let it in. When its backend fails it moves, and takes the user's place along:
// sessions of the user that were established at the old place are left behind, and the caller ends
// them.
class UserTable {
 public:
  static constexpr std::size_t kShards = 256;

  struct Place {
    std::uint64_t backend = 0;
    std::uint64_t home = 0;         // where the user was before that failed; 0: here
    std::uint32_t established = 0;  // sessions there
  };
  struct Stats {
    std::size_t users = 0;
    std::size_t away = 0;             // users at another backend than before a failure
    std::size_t left_behind = 0;      // sessions at a place their user has left
    std::size_t bytes = 0;            // memory of the entries
    std::uint32_t most_sessions = 0;  // established sessions of the user with most of them
    std::size_t near_limit = 0;       // users with at least `near` of them
    std::uint64_t overflows = 0;      // sessions that came while the table was full
  };

  // `seed` keeps anyone who knows the hash from choosing names that collide. `max_users` bounds the
  // memory: sessions of users beyond it go by policy alone.
  UserTable(std::size_t max_users, std::uint64_t seed);

  struct Decision {
    std::uint64_t backend = 0;
    std::uint64_t home = 0;  // of a new user: where only a failure keeps the user from being
  };
  struct Joined {
    UserLease lease;
    bool left_some = false;  // as of move()
  };
  // `decide` is asked with the user's present place, or with nullptr when there is none, and says
  // where the session goes, as an optional Decision; empty: nowhere. The shard is locked meanwhile,
  // so it must be quick. When it names another place than the present one, the user moves, as by
  // move().
  template <typename Decide>
  std::optional<Joined> join(std::uint64_t user, Decide&& decide);

  // The session's backend failed, and it would go to `backend`. Where it goes: there, or where
  // another session of the user has moved to meanwhile. Sessions established at the old place, if
  // any, are left behind: those whose epoch is below the lease's are to be ended.
  struct Moved {
    std::uint64_t backend = 0;
    bool left_some = false;
  };
  Moved move(UserLease& lease, std::uint64_t backend);

  // The backend let the session in. kElsewhere: the user has sessions at another backend by now,
  // and this one must go there (lease.backend). kOverLimit: the user has `limit` sessions already
  // (0: any number).
  enum class Establish : std::uint8_t { kYes, kElsewhere, kOverLimit };
  Establish establish(UserLease& lease, std::uint32_t limit);

  // The session is over. Does nothing for one that is not counted, as the lease is afterwards.
  void leave(UserLease& lease);

  // The user's place at present; nullopt: no sessions.
  [[nodiscard]] std::optional<Place> find(std::uint64_t user) const;

  // Walks over all shards, each locked for a moment. `near`: from how many sessions on a user
  // counts as near the limit; 0: none does.
  [[nodiscard]] Stats stats(std::uint32_t near = 0) const;

 private:
  struct Entry {
    std::uint64_t user = 0;
    std::uint64_t backend = 0;
    std::uint64_t home = 0;
    std::uint32_t sessions = 0;  // all of them; 0: the entry is free
    std::uint32_t established = 0;
    std::uint32_t left_behind = 0;
    std::uint32_t epoch = 0;
  };

  // Open addressing with linear probing; half to seven eighths full when it has grown.
  struct alignas(64) Shard {
    mutable std::mutex mutex;
    std::vector<Entry> entries;  // empty, or a power of two
    std::size_t users = 0;
    std::uint64_t overflows = 0;

    [[nodiscard]] Entry* find(std::uint64_t user, std::uint64_t mixed);
    Entry& insert(std::uint64_t user, std::uint64_t mixed, std::uint64_t seed);
    void erase(Entry& entry, std::uint64_t seed);
    void grow(std::uint64_t seed);
  };

  [[nodiscard]] std::uint64_t mixed(std::uint64_t user) const { return mix(user ^ seed_); }
  Shard& shard_of(std::uint64_t mixed) { return shards_[mixed >> 56]; }
  // Moves the user's place; whether established sessions were left behind.
  static bool move_place(Entry& entry, std::uint64_t backend);

  const std::uint64_t seed_;
  const std::size_t max_users_of_shard_;
  std::array<Shard, kShards> shards_;
};

template <typename Decide>
std::optional<UserTable::Joined> UserTable::join(std::uint64_t user, Decide&& decide) {
  const std::uint64_t key = mixed(user);
  Shard& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  Entry* entry = shard.find(user, key);
  Place place;
  if (entry != nullptr) {
    place = {entry->backend, entry->home, entry->established};
  }
  const std::optional<Decision> decision = decide(entry != nullptr ? &place : nullptr);
  if (!decision) {
    return std::nullopt;
  }
  Joined joined{.lease = {.user = user, .backend = decision->backend}};
  if (entry == nullptr) {
    if (shard.users >= max_users_of_shard_) {
      ++shard.overflows;
      return joined;
    }
    entry = &shard.insert(user, key, seed_);
    entry->backend = decision->backend;
    entry->home = decision->home;
  } else if (entry->backend != decision->backend) {
    joined.left_some = move_place(*entry, decision->backend);
  }
  ++entry->sessions;
  joined.lease.counted = true;
  joined.lease.epoch = entry->epoch;
  return joined;
}

}  // namespace headgate::balance
