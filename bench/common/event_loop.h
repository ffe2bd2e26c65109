#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "common/clock.h"

namespace headgate::bench {

// One epoll, level-triggered, and one heap of timers. A program of the bench has exactly one.
class EventLoop {
 public:
  // Who is told that its descriptor is ready. A watcher may be told once more in the turn in which
  // its descriptor was closed; it must outlive that turn (see after_turn) and take it as a false
  // alarm.
  class Watcher {
   public:
    virtual ~Watcher() = default;
    virtual void on_ready(unsigned events) = 0;
  };
  using Task = std::function<void()>;

  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // `events`: EPOLLIN and EPOLLOUT. Closing the descriptor removes it.
  void add(int fd, unsigned events, Watcher& watcher);
  void change(int fd, unsigned events, Watcher& watcher);

  // Runs `task` at `when` (monotonic nanoseconds), never before; tasks of the same time in order.
  void at(std::int64_t when, Task task);
  // Runs `task` at the end of the present turn, or of the next one when asked for there.
  void after_turn(Task task);

  // Turns until `done` says so (asked once a turn) or `deadline` has come; says whether `done`.
  bool run_until(const std::function<bool()>& done, std::int64_t deadline);
  void run_for(std::int64_t ns);
  void run_forever();

 private:
  struct Timer {
    std::int64_t when;
    std::uint64_t order;
    Task task;
  };
  static bool later(const Timer& left, const Timer& right);

  void turn(std::int64_t until);
  void run_timers();
  void run_after_turn();
  int wait(std::int64_t until);

  static constexpr int kEventsPerTurn = 512;

  int epoll_;
  bool has_pwait2_ = true;
  std::uint64_t next_order_ = 0;
  std::vector<Timer> timers_;  // a heap by `later`
  std::vector<Task> after_turn_;
};

}  // namespace headgate::bench
