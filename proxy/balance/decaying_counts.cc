#include "balance/decaying_counts.h"

#include <algorithm>
#include <bit>
#include <new>

#include "balance/bid.h"

namespace headgate::balance {

namespace {

constexpr std::int64_t kMsOfTenth = 100;

std::uint32_t tenths(std::int64_t now_ms) {
  return static_cast<std::uint32_t>(now_ms / kMsOfTenth);
}

}  // namespace

DecayingCounts::DecayingCounts(std::size_t entries, double lost_a_second, std::uint64_t seed)
    : sets_(std::bit_ceil(std::max<std::size_t>((entries + kWays - 1) / kWays, 1))),
      lost_a_second_(lost_a_second),
      seed_(seed),
      // Not value-initialised: zeroed pages are the system's to give, one by one as they are used.
      table_(static_cast<Set*>(std::calloc(sets_, sizeof(Set)))) {
  if (!table_) {
    throw std::bad_alloc();  // at start
  }
}

std::uint64_t DecayingCounts::mixed(std::uint64_t key) const {
  return std::max<std::uint64_t>(mix(key ^ seed_), 1);
}

double DecayingCounts::count_of(const Entry& entry, std::uint32_t now_ds) const {
  // Another thread's clock may be a moment behind.
  const auto passed = static_cast<std::int32_t>(now_ds - entry.at_ds);
  return std::max(entry.count - std::max(passed, 0) * lost_a_second_ / 10, 0.0);
}

double DecayingCounts::add(std::uint64_t key, std::int64_t now_ms, double most) {
  const std::uint64_t wanted = mixed(key);
  const std::uint32_t now = tenths(now_ms);
  const std::size_t place = wanted & (sets_ - 1);
  const std::lock_guard lock(locks_[place % kLocks].mutex);
  Set& set = table_[place];
  Entry* lowest = &set.front();
  for (Entry& entry : set) {
    if (entry.key == wanted || entry.key == 0) {
      lowest = &entry;
      break;
    }
    const double count = count_of(entry, now);
    const double least = count_of(*lowest, now);
    if (count < least || (count == least && entry.at_ds < lowest->at_ds)) {
      lowest = &entry;
    }
  }
  if (lowest->key != wanted) {
    keys_.fetch_add(lowest->key == 0 ? 1 : 0, std::memory_order_relaxed);
    *lowest = {.key = wanted, .count = 0, .at_ds = now};
  }
  lowest->count = static_cast<float>(std::min(count_of(*lowest, now) + 1, most));
  lowest->at_ds = now;
  return lowest->count;
}

double DecayingCounts::count(std::uint64_t key, std::int64_t now_ms) const {
  if (keys() == 0) {
    return 0;  // as long as nothing has gone wrong
  }
  const std::uint64_t wanted = mixed(key);
  const std::size_t place = wanted & (sets_ - 1);
  const std::lock_guard lock(locks_[place % kLocks].mutex);
  for (const Entry& entry : table_[place]) {
    if (entry.key == wanted) {
      return count_of(entry, tenths(now_ms));
    }
    if (entry.key == 0) {
      break;
    }
  }
  return 0;
}

}  // namespace headgate::balance
