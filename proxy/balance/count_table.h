#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "base/address.h"

namespace headgate::balance {

// How many sessions there are of each key: of a client address, say. One for the process, any
// thread; sharded. A key that has none takes no memory.
class CountTable {
 public:
  struct Stats {
    std::size_t keys = 0;
    std::uint32_t most = 0;  // of the key with most
    std::size_t near = 0;    // keys with at least as many as asked
  };

  // `seed` keeps anyone who knows the hash from choosing keys that collide.
  explicit CountTable(std::uint64_t seed) : seed_(seed) {}

  // One more. False, and nothing is counted: there are `limit` already.
  bool add(std::uint64_t key, std::uint32_t limit);
  // One less of those that were added.
  void remove(std::uint64_t key);
  [[nodiscard]] std::uint32_t count(std::uint64_t key) const;
  // Walks over all shards, each locked for a moment; `near`: 0 for none.
  [[nodiscard]] Stats stats(std::uint32_t near) const;

 private:
  static constexpr std::size_t kShards = 64;
  struct alignas(64) Shard {
    mutable std::mutex mutex;
    std::unordered_map<std::uint64_t, std::uint32_t> counts;  // by mixed key
  };

  std::uint64_t seed_;
  std::array<Shard, kShards> shards_;
};

// The key of a client's network: its address cut to the first `ipv4` or `ipv6` bits.
std::uint64_t network_key(const IpAddress& client, unsigned ipv4, unsigned ipv6);

}  // namespace headgate::balance
