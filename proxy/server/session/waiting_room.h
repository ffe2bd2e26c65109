#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace headgate::server {

// How many sessions of all workers are not logged in, and which worker has the oldest of them, so
// that the oldest can give way when there are too many. Each worker writes its own slot.
class WaitingRoom {
 public:
  static constexpr std::uint64_t kNobody = std::numeric_limits<std::uint64_t>::max();

  WaitingRoom(std::size_t workers, std::size_t limit) : slots_(workers), limit_(limit) {}

  // True when the limit is passed by the one who entered.
  bool enter() {
    return count_.fetch_add(1, std::memory_order_relaxed) + 1 >
           limit_.load(std::memory_order_relaxed);
  }
  // Holds for those who enter from now on. Any thread.
  void set_limit(std::size_t limit) { limit_.store(limit, std::memory_order_relaxed); }
  void leave() { count_.fetch_sub(1, std::memory_order_relaxed); }
  void set_oldest(std::size_t worker, std::uint64_t since_ms) {
    slots_[worker].since_ms.store(since_ms, std::memory_order_relaxed);
  }
  // The worker whose oldest session has waited longest.
  [[nodiscard]] std::size_t worker_with_oldest() const {
    std::size_t best = 0;
    for (std::size_t i = 1; i < slots_.size(); ++i) {
      if (slots_[i].since_ms.load(std::memory_order_relaxed) <
          slots_[best].since_ms.load(std::memory_order_relaxed)) {
        best = i;
      }
    }
    return best;
  }

 private:
  struct alignas(64) Slot {
    std::atomic<std::uint64_t> since_ms{kNobody};
  };
  std::vector<Slot> slots_;
  std::atomic<std::size_t> limit_;
  alignas(64) std::atomic<std::size_t> count_{0};
};

}  // namespace headgate::server
