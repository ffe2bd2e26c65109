#include "balance/user_table.h"

#include <algorithm>
#include <utility>

namespace headgate::balance {
namespace {

constexpr std::size_t kFirstCapacity = 16;

bool too_full(std::size_t users, std::size_t capacity) {
  return users * 8 > capacity * 7;
}

}  // namespace

UserTable::UserTable(std::size_t max_users, std::uint64_t seed)
    : seed_(seed), max_users_of_shard_((max_users + kShards - 1) / kShards) {}

UserTable::Entry* UserTable::Shard::find(std::uint64_t user, std::uint64_t mixed) {
  if (entries.empty()) {
    return nullptr;
  }
  const std::size_t mask = entries.size() - 1;
  for (std::size_t at = mixed & mask; entries[at].sessions != 0; at = (at + 1) & mask) {
    if (entries[at].user == user) {
      return &entries[at];
    }
  }
  return nullptr;
}

UserTable::Entry& UserTable::Shard::insert(std::uint64_t user, std::uint64_t mixed,
                                           std::uint64_t seed) {
  if (entries.empty() || too_full(users + 1, entries.size())) {
    grow(seed);
  }
  const std::size_t mask = entries.size() - 1;
  std::size_t at = mixed & mask;
  while (entries[at].sessions != 0) {
    at = (at + 1) & mask;
  }
  ++users;
  entries[at] = {.user = user};
  return entries[at];
}

// Entries behind the gap that probed past it are shifted back, so that no tombstones are needed.
void UserTable::Shard::erase(Entry& entry, std::uint64_t seed) {
  const std::size_t mask = entries.size() - 1;
  auto gap = static_cast<std::size_t>(&entry - entries.data());
  entries[gap].sessions = 0;
  for (std::size_t at = (gap + 1) & mask; entries[at].sessions != 0; at = (at + 1) & mask) {
    const std::size_t wanted = mix(entries[at].user ^ seed) & mask;
    if (((at - wanted) & mask) >= ((at - gap) & mask)) {
      entries[gap] = entries[at];
      entries[at].sessions = 0;
      gap = at;
    }
  }
  --users;
}

void UserTable::Shard::grow(std::uint64_t seed) {
  std::vector<Entry> old(entries.empty() ? kFirstCapacity : entries.size() * 2);
  old.swap(entries);
  const std::size_t mask = entries.size() - 1;
  for (const Entry& entry : old) {
    if (entry.sessions != 0) {
      std::size_t at = mix(entry.user ^ seed) & mask;
      while (entries[at].sessions != 0) {
        at = (at + 1) & mask;
      }
      entries[at] = entry;
    }
  }
}

bool UserTable::move_place(Entry& entry, std::uint64_t backend) {
  if (entry.home == 0) {
    entry.home = entry.backend;
  } else if (entry.home == backend) {
    entry.home = 0;
  }
  entry.backend = backend;
  ++entry.epoch;
  entry.left_behind += entry.established;
  return std::exchange(entry.established, 0) != 0;
}

UserTable::Moved UserTable::move(UserLease& lease, std::uint64_t backend) {
  if (!lease.counted) {
    lease.backend = backend;
    return {backend, false};
  }
  const std::uint64_t key = mixed(lease.user);
  Shard& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  Entry& entry = *shard.find(lease.user, key);
  Moved moved{entry.backend, false};
  if (entry.backend == lease.backend) {  // nobody was quicker
    moved = {backend, move_place(entry, backend)};
  }
  lease.backend = moved.backend;
  lease.epoch = entry.epoch;
  return moved;
}

UserTable::Establish UserTable::establish(UserLease& lease, std::uint32_t limit) {
  if (!lease.counted) {
    lease.established = true;
    return Establish::kYes;
  }
  const std::uint64_t key = mixed(lease.user);
  Shard& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  Entry& entry = *shard.find(lease.user, key);
  if (entry.backend != lease.backend) {
    if (entry.established != 0) {
      lease.backend = entry.backend;
      lease.epoch = entry.epoch;
      return Establish::kElsewhere;
    }
    // The others are still on their way: the first who is in decides.
    move_place(entry, lease.backend);
  }
  if (limit != 0 && entry.established >= limit) {
    return Establish::kOverLimit;
  }
  ++entry.established;
  lease.epoch = entry.epoch;
  lease.established = true;
  return Establish::kYes;
}

void UserTable::leave(UserLease& lease) {
  const UserLease left = lease;
  lease.counted = lease.established = false;
  if (!left.counted) {
    return;
  }
  const std::uint64_t key = mixed(left.user);
  Shard& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  Entry& entry = *shard.find(left.user, key);
  if (left.established) {
    --(left.epoch == entry.epoch ? entry.established : entry.left_behind);
  }
  if (--entry.sessions == 0) {
    shard.erase(entry, seed_);
  }
}

std::optional<UserTable::Place> UserTable::find(std::uint64_t user) const {
  const std::uint64_t key = mixed(user);
  auto& shard = const_cast<UserTable*>(this)->shard_of(key);
  const std::lock_guard lock(shard.mutex);
  const Entry* entry = shard.find(user, key);
  if (entry == nullptr) {
    return std::nullopt;
  }
  return Place{entry->backend, entry->home, entry->established};
}

UserTable::Stats UserTable::stats(std::uint32_t near) const {
  Stats stats;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    stats.users += shard.users;
    stats.bytes += shard.entries.size() * sizeof(Entry);
    stats.overflows += shard.overflows;
    for (const Entry& entry : shard.entries) {
      if (entry.sessions == 0) {
        continue;
      }
      stats.away += entry.home != 0 ? 1U : 0U;
      stats.left_behind += entry.left_behind;
      stats.most_sessions = std::max(stats.most_sessions, entry.established);
      stats.near_limit += near != 0 && entry.established >= near ? 1U : 0U;
    }
  }
  stats.bytes += sizeof(shards_);
  return stats;
}

}  // namespace headgate::balance
