#pragma once

#include <chrono>
#include <cstdint>

#include "net/loop.h"

namespace headgate::net {

// For what timers take; no duration of a configuration is negative.
inline std::uint64_t to_ms(std::chrono::milliseconds duration) {
  return static_cast<std::uint64_t>(duration.count());
}

// A deadline in a TimerWheel: an intrusive node that unlinks itself when destroyed.
class Timer {
 public:
  using Callback = void (*)(void* owner) noexcept;
  Timer(void* owner, Callback on_expiry) : owner_(owner), on_expiry_(on_expiry) {}
  ~Timer() { cancel(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void cancel();
  [[nodiscard]] bool armed() const { return next_ != nullptr; }
  [[nodiscard]] std::uint64_t deadline_ms() const { return deadline_ms_; }

 private:
  friend class TimerWheel;
  void unlink();
  Timer* next_ = nullptr;
  Timer* previous_ = nullptr;
  std::uint64_t deadline_ms_ = 0;
  void* owner_;
  Callback on_expiry_;
};

// Timers of a worker: arm and cancel in constant time, resolution of one tick, never early by the
// loop's clock (Loop::now_ms). One libuv timer that wakes the loop only for slots in use. Callbacks
// may arm, cancel and destroy any timer, their own included.
class TimerWheel {
 public:
  static constexpr std::uint64_t kTickMs = 50;  // fine enough for deadlines, and wakes up seldom
  // A tick of at least one millisecond.
  explicit TimerWheel(Loop& loop, std::uint64_t tick_ms = kTickMs);
  ~TimerWheel();

  // Replaces an earlier deadline of the same timer.
  void arm(Timer& timer, std::uint64_t after_ms);
  [[nodiscard]] std::uint64_t now_ms() const;
  // From here on the wheel alone does not keep the loop alive: the alarm may still be set for
  // timers that were cancelled, and a loop that ends must not wait for those.
  void let_loop_end();

 private:
  struct Impl;
  Impl* impl_;
};

}  // namespace headgate::net
