#include "balance/count_table.h"

#include <algorithm>

#include "balance/bid.h"
#include "balance/siphash.h"

namespace headgate::balance {

bool CountTable::add(std::uint64_t key, std::uint32_t limit) {
  const std::uint64_t mixed = mix(key ^ seed_);
  Shard& shard = shards_[mixed % kShards];
  const std::lock_guard lock(shard.mutex);
  std::uint32_t& count = shard.counts[mixed];
  if (count >= limit) {
    if (count == 0) {
      shard.counts.erase(mixed);
    }
    return false;
  }
  ++count;
  return true;
}

void CountTable::remove(std::uint64_t key) {
  const std::uint64_t mixed = mix(key ^ seed_);
  Shard& shard = shards_[mixed % kShards];
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.counts.find(mixed);
  if (--found->second == 0) {
    shard.counts.erase(found);
  }
}

std::uint32_t CountTable::count(std::uint64_t key) const {
  const std::uint64_t mixed = mix(key ^ seed_);
  const Shard& shard = shards_[mixed % kShards];
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.counts.find(mixed);
  return found == shard.counts.end() ? 0 : found->second;
}

CountTable::Stats CountTable::stats(std::uint32_t near) const {
  Stats stats;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    stats.keys += shard.counts.size();
    for (const auto& [key, count] : shard.counts) {
      stats.most = std::max(stats.most, count);
      stats.near += near != 0 && count >= near ? 1U : 0U;
    }
  }
  return stats;
}

std::uint64_t network_key(const IpAddress& client, unsigned ipv4, unsigned ipv6) {
  constexpr unsigned kByte = 8;
  const std::string_view bytes = client.bytes();
  std::array<char, 17> network{};  // the address, and which kind it is
  std::ranges::copy(bytes, network.begin());
  unsigned bits = client.is_v6() ? ipv6 : ipv4;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    const unsigned kept = std::min(bits, kByte);
    network[at] = static_cast<char>(static_cast<unsigned char>(network[at]) & (0xFF00U >> kept));
    bits -= kept;
  }
  network.back() = client.is_v6() ? 6 : 4;
  return SipHash::of({network.data(), network.size()});
}

}  // namespace headgate::balance
