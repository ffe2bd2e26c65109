#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>

namespace headgate::balance {

// How often something happened of late, by key: counts that fall by themselves, all at one rate.
// One for the process, any thread. Of fixed size: in a full table a new key takes the place of one
// of those with the lowest count that share its set. Memory is taken from the system as it fills.
class DecayingCounts {
 public:
  // `entries` is rounded up to a power of two. `seed` keeps anyone who knows the hash from choosing
  // keys that collide.
  DecayingCounts(std::size_t entries, double lost_a_second, std::uint64_t seed);

  // One more, but no more than `most`; what the count is now. `now_ms` is of any clock that only
  // goes forward. A key is not 0.
  double add(std::uint64_t key, std::int64_t now_ms, double most = 1e9);
  [[nodiscard]] double count(std::uint64_t key, std::int64_t now_ms) const;

  // Keys that take room, those whose counts have fallen to nothing among them.
  [[nodiscard]] std::size_t keys() const { return keys_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::size_t bytes() const { return sets_ * sizeof(Set); }

 private:
  static constexpr std::size_t kWays = 8;
  static constexpr std::size_t kLocks = 64;
  struct Entry {
    std::uint64_t key;    // mixed; 0: free
    float count;          // at the time of `at`
    std::uint32_t at_ds;  // tenths of a second, on from the first call's
  };
  using Set = std::array<Entry, kWays>;
  struct alignas(64) Lock {
    std::mutex mutex;
  };
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };

  [[nodiscard]] double count_of(const Entry& entry, std::uint32_t now_ds) const;
  [[nodiscard]] std::uint64_t mixed(std::uint64_t key) const;

  const std::size_t sets_;
  const double lost_a_second_;
  const std::uint64_t seed_;
  std::unique_ptr<Set[], Free> table_;
  mutable std::array<Lock, kLocks> locks_;
  std::atomic<std::size_t> keys_{0};
};

}  // namespace headgate::balance
