#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <memory>

namespace headgate::net {

// One event loop; lives and dies on one thread.
class Loop {
 public:
  Loop();
  ~Loop();  // every watcher must be closed and reaped; aborts otherwise
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void run();   // until stop(), or until no handle is left
  void stop();  // from the loop's own thread
  // Runs until nothing is left; for orderly shutdown after everything was closed.
  void drain();

  // Monotonic milliseconds as of the start of this turn: no system call.
  [[nodiscard]] std::uint64_t now_ms() const { return uv_now(&loop_); }
  [[nodiscard]] uv_loop_t* raw() { return &loop_; }

 private:
  uv_loop_t loop_{};
};

// Wakes a loop from any thread. Several wake-ups may become one call.
class Wakeup {
 public:
  Wakeup(Loop& loop, std::function<void()> on_wake);
  ~Wakeup();      // on the loop's thread; the loop must still turn once
  void notify();  // any thread

 private:
  struct Handle;
  Handle* handle_;  // freed by libuv's close callback
};

// Calls back once a turn, when all I/O, close and timer callbacks of it are done and before the
// loop sleeps; for deferred frees and sessions that stopped at their byte budget. While `busy` is
// set the loop does not sleep.
class TurnEnd {
 public:
  TurnEnd(Loop& loop, std::function<void()> on_turn_end);
  ~TurnEnd();
  void set_busy(bool busy);

 private:
  struct Handles;
  Handles* handles_;
};

// Runs `work` on libuv's thread pool and then `done` on the loop's thread. For password hashing
// and the like; there is no cancelling, so `done` must cope with a requester that is gone.
void run_blocking(Loop& loop, std::function<void()> work, std::function<void()> done);

}  // namespace headgate::net
