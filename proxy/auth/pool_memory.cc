#include "auth/pool_memory.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace headgate::auth {

using metrics::PoolFound;

PoolMemory::PoolMemory(PoolChain chain) : chain_(std::move(chain)), logins_(chain_.pools.size()) {
  for (std::size_t i = 0; i < kShards; ++i) {
    shards_.push_back(std::make_unique<Shard>((chain_.entries + kShards - 1) / kShards));
  }
}

std::optional<std::size_t> PoolMemory::find(std::string_view user, Clock::time_point now) {
  Shard& shard = shard_of(user);
  const std::lock_guard lock(shard.mutex);
  const Place* place = shard.places.find(user);
  return place != nullptr && now < place->expires ? std::optional(place->pool) : std::nullopt;
}

void PoolMemory::learn(std::string_view user, std::size_t pool, Clock::time_point now) {
  if (user.size() > kLongestName || chain_.remember.count() == 0) {
    return;
  }
  Shard& shard = shard_of(user);
  const std::lock_guard lock(shard.mutex);
  put(shard, user, pool, now + chain_.remember);
}

void PoolMemory::put(Shard& shard, std::string_view user, std::size_t pool,
                     Clock::time_point expires) {
  const std::size_t before = shard.places.size();
  if (pool == 0) {
    shard.places.erase(user);
  } else {
    shard.places.put(user, {pool, expires});
  }
  // Wraps around on purpose where the part has shrunk.
  size_.fetch_add(shard.places.size() - before, std::memory_order_relaxed);
  changes_.fetch_add(1, std::memory_order_relaxed);
}

std::vector<PoolMemory::Remembered> PoolMemory::remembered(std::size_t most_bytes,
                                                           Clock::time_point now) {
  std::vector<Remembered> all;
  for (const auto& shard : shards_) {
    const auto begin = static_cast<std::ptrdiff_t>(all.size());
    std::size_t bytes = 0;
    const std::lock_guard lock(shard->mutex);
    for (const auto& [user, place] : shard->places) {
      bytes += user.size() + kBesideName;
      if (bytes > most_bytes / kShards) {
        break;
      }
      const auto left = std::chrono::duration_cast<std::chrono::seconds>(place.expires - now);
      if (left.count() > 0) {
        all.push_back({user, place.pool, left});
      }
    }
    std::reverse(all.begin() + begin, all.end());
  }
  return all;
}

void PoolMemory::restore(const Remembered& known, Clock::time_point now) {
  if (known.user.size() <= kLongestName && known.left.count() > 0 && keep()) {
    add(known, now);
  }
}

void PoolMemory::add(const Remembered& known, Clock::time_point now) {
  if (known.pool == 0 || known.pool >= chain_.pools.size()) {
    return;  // who is in the first pool is so without being remembered
  }
  Shard& shard = shard_of(known.user);
  const std::lock_guard lock(shard.mutex);
  if (shard.places.find(known.user) == nullptr) {
    put(shard, known.user, known.pool, now + std::min(known.left, chain_.remember));
  }
}

void PoolMemory::take_over(PoolMemory& before, Clock::time_point now) {
  std::vector<std::size_t> here;  // by index there
  for (std::size_t there = 0; there < before.chain_.pools.size(); ++there) {
    const auto found = std::ranges::find(chain_.pools, before.chain_.pools[there]);
    here.push_back(static_cast<std::size_t>(found - chain_.pools.begin()));
    for (std::size_t how = 0; found != chain_.pools.end() && how < logins_.front().size(); ++how) {
      logins_[here.back()][how] = before.logins_[there][how].load(std::memory_order_relaxed);
    }
  }
  if (chain_.remember.count() == 0) {
    return;
  }
  for (Remembered& known : before.remembered(std::numeric_limits<std::size_t>::max(), now)) {
    known.pool = here[known.pool];
    add(known, now);
  }
}

std::vector<metrics::PoolLogins> PoolMemory::logins() const {
  std::vector<metrics::PoolLogins> all;
  for (std::size_t pool = 0; pool < logins_.size(); ++pool) {
    metrics::PoolLogins& one = all.emplace_back();
    one.pool = chain_.pools[pool];
    for (std::size_t found = 0; found < one.by.size(); ++found) {
      one.by[found] = logins_[pool][found].load(std::memory_order_relaxed);
    }
  }
  return all;
}

PoolTrial::PoolTrial(std::shared_ptr<PoolMemory> memory, std::string_view user)
    : memory_(std::move(memory)),
      user_(user),
      remembered_(memory_->find(user_)),
      at_(remembered_.value_or(0)),
      untried_(remembered_ ? 0 : 1) {}

bool PoolTrial::next() {
  ++refused_;
  if (untried_ == remembered_) {
    ++untried_;
  }
  if (untried_ >= memory_->pools().size()) {
    return false;
  }
  at_ = untried_++;
  return true;
}

void PoolTrial::let_in() {
  memory_->count(at_, refused_ != 0 ? PoolFound::kTrial
                      : remembered_ ? PoolFound::kMemory
                                    : PoolFound::kOrder);
  // What is remembered is not renewed: after its time the pools are asked in their order again.
  if (refused_ != 0) {
    memory_->learn(user_, at_);
  }
}

}  // namespace headgate::auth
