#pragma once

#include <uv.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "base/unique_fd.h"

struct epoll_event;

namespace headgate::net {

class IoWatcher;
class TurnEnd;

// One event loop; lives and dies on one thread. Sockets are watched by an epoll set of its own, see
// IoWatcher; timers, wake-ups and the thread pool are libuv's, whose set is a member of ours and is
// turned only when it has something to do. (libuv's uv_poll_t costs four system calls more for each
// socket's life and another turn for its end.)
//
// There are two sets: a second one, a member of the first, has what can wait (Urgency): listeners,
// clients before login where there are many, sessions that move bulk, and ends of connections when
// many come at once. It has its turn when all others had theirs, for as long as these took, and for
// a twentieth of a millisecond or one event at least. So who is logged in does not feel that
// thousands want to be, that thousands have left, or that somebody fetches a whole mailbox.
//
// Clients before login have their turn likewise while they are few, but out of the first set
// (kSoon): the second costs another epoll_wait() a turn and each client two epoll_ctl() when it is
// in. With 16 at a time a login took 0.95 to 0.98 of the time, in turns. Many would leave no room
// for those who are in among what one epoll_wait() tells.
//
// libuv puts a descriptor into its set at the beginning of its own turn: handles other than timers
// must be made before run() or from inside one of libuv's callbacks.
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
  // How long ago the loop last woke: what everything else on it has waited so far.
  [[nodiscard]] std::chrono::nanoseconds awake_for() const;
  [[nodiscard]] uv_loop_t* raw() { return &loop_; }

 private:
  friend class IoWatcher;
  friend class TurnEnd;

  void count_open() { ++open_; }
  void watch(int operation, int fd, std::uint32_t events, IoWatcher& watcher);
  void note_watched(int difference);
  void reap_later(IoWatcher& watcher);

  void turn();
  void dispatch_those_who_can_wait(std::span<const epoll_event> soon, bool others);
  void reap();
  [[nodiscard]] bool busy() const;  // a TurnEnd says so
  [[nodiscard]] bool alive() const;
  [[nodiscard]] int timeout() const;

  uv_loop_t loop_{};
  uv_timer_t keeper_{};  // never expires; keeps libuv's loop alive while anything is watched
  UniqueFd epoll_;
  UniqueFd can_wait_;
  std::size_t open_ = 0;              // watchers not yet reaped
  std::size_t watched_ = 0;           // watchers that want something
  IoWatcher* closing_ = nullptr;      // the last closed one first
  TurnEnd* turn_ends_ = nullptr;      // the last made one first
  TurnEnd* next_turn_end_ = nullptr;  // while they are called: whose turn is next
  std::uint64_t woke_ns_ = uv_hrtime();
  bool stopped_ = false;
  bool soon_first_ = false;
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
// set the loop does not sleep. A loop may have several: the last made one is called first, and one
// that is made in such a call has its first turn in the next.
class TurnEnd {
 public:
  // `on_turn_end` may destroy any of the loop's: its own by its last statement alone, as one does
  // with `delete this`.
  TurnEnd(Loop& loop, std::function<void()> on_turn_end);
  ~TurnEnd();
  TurnEnd(const TurnEnd&) = delete;
  TurnEnd& operator=(const TurnEnd&) = delete;
  void set_busy(bool busy) { busy_ = busy; }

 private:
  friend class Loop;
  Loop& loop_;
  std::function<void()> on_turn_end_;
  TurnEnd* next_ = nullptr;
  bool busy_ = false;
};

// Runs `work` on libuv's thread pool and then `done` on the loop's thread. For password hashing
// and the like; there is no cancelling, so `done` must cope with a requester that is gone.
void run_blocking(Loop& loop, std::function<void()> work, std::function<void()> done);

}  // namespace headgate::net
