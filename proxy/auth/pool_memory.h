#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/bounded_map.h"
#include "metrics/source_figures.h"

namespace headgate::auth {

// Pools that are asked one after the other whether a user's password is right.
struct PoolChain {
  std::vector<std::string> pools;        // at least two, in this order
  std::chrono::seconds remember{86400};  // 0: nothing is remembered
  std::size_t entries = 100'000;
  bool keep = true;  // over a restart, where there is a place for it
};

// Which users were let in elsewhere than at the first pool of a chain, and where: that one is asked
// first for a while. One object for all workers; each of its parts has a lock of its own, which is
// held for a few memory accesses.
class PoolMemory {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kLongestName = 512;  // longer ones are not kept
  static constexpr std::size_t kBesideName = 64;    // bytes of a line of text, about

  explicit PoolMemory(PoolChain chain);

  [[nodiscard]] const std::vector<std::string>& pools() const { return chain_.pools; }
  // Index of the pool; nullopt: nothing is known, or not any more.
  [[nodiscard]] std::optional<std::size_t> find(std::string_view user,
                                                Clock::time_point now = Clock::now());
  // The first pool is what holds for users of whom nothing is known.
  void learn(std::string_view user, std::size_t pool, Clock::time_point now = Clock::now());

  // A user of whom something is remembered, for a restart.
  struct Remembered {
    std::string user;
    std::size_t pool;
    std::chrono::seconds left;  // more than 0
  };
  // The ones that were used last, `most_bytes` in all with kBesideName for each, those of each part
  // in the order of their use. Holds one part's lock at a time, for as long as it takes to copy it.
  [[nodiscard]] std::vector<Remembered> remembered(std::size_t most_bytes,
                                                   Clock::time_point now = Clock::now());
  // What was remembered() before the restart. Never in the place of something newer, nor longer
  // than the chain remembers now.
  void restore(const Remembered& known, Clock::time_point now = Clock::now());
  // What the memory of another list of pools knows and counts of those that are here as well, by
  // their names. Before this one is in use; what the other one learns afterwards stays there.
  void take_over(PoolMemory& before, Clock::time_point now = Clock::now());
  // Grows whenever something is learned or forgotten.
  [[nodiscard]] std::uint64_t changes() const { return changes_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool keep() const { return chain_.keep && chain_.remember.count() != 0; }

  void count(std::size_t pool, metrics::PoolFound found) {
    logins_[pool][metrics::index(found)].fetch_add(1, std::memory_order_relaxed);
  }
  // For the metrics page.
  [[nodiscard]] std::vector<metrics::PoolLogins> logins() const;
  [[nodiscard]] std::size_t size() const { return size_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kShards = 16;

  struct Place {
    std::size_t pool;
    Clock::time_point expires;
  };
  struct Shard {
    explicit Shard(std::size_t capacity) : places(capacity) {}
    std::mutex mutex;
    BoundedMap<Place> places;
  };
  Shard& shard_of(std::string_view user) {
    return *shards_[std::hash<std::string_view>()(user) % kShards];
  }

  void add(const Remembered& known, Clock::time_point now);
  void put(Shard& shard, std::string_view user, std::size_t pool, Clock::time_point expires);

  const PoolChain chain_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::atomic<std::uint64_t> changes_{0};
  std::atomic<std::size_t> size_{0};
  std::vector<std::array<std::atomic<std::uint64_t>, metrics::kPoolFoundNames.size()>> logins_;
};

// One login on its way through a chain.
class PoolTrial {
 public:
  PoolTrial(std::shared_ptr<PoolMemory> memory, std::string_view user);

  // Whose turn it is.
  [[nodiscard]] const std::string& pool() const { return memory_->pools()[at_]; }
  // Whether that is because it let the user in of late.
  [[nodiscard]] bool remembered() const { return refused_ == 0 && remembered_.has_value(); }
  // It has said that the password is wrong. False: no other one is left.
  bool next();
  // It has let the user in.
  void let_in();

 private:
  const std::shared_ptr<PoolMemory> memory_;
  const std::string user_;
  const std::optional<std::size_t> remembered_;
  std::size_t at_;           // index of the pool
  std::size_t refused_ = 0;  // so many pools have
  std::size_t untried_ = 0;  // the next one in order, which may be the remembered one
};

}  // namespace headgate::auth
