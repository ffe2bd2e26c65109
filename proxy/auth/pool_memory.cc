#include "auth/pool_memory.h"

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
  const std::size_t before = shard.places.size();
  if (pool == 0) {
    shard.places.erase(user);
  } else {
    shard.places.put(user, {pool, now + chain_.remember});
  }
  // Wraps around on purpose where the part has shrunk.
  size_.fetch_add(shard.places.size() - before, std::memory_order_relaxed);
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
