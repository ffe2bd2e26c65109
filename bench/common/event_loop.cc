#include "common/event_loop.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

namespace headgate::bench {
namespace {

std::array<epoll_event, 512> ready_events;  // of the one loop of the one thread

void control(int epoll, int operation, int fd, unsigned events, EventLoop::Watcher& watcher) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &watcher;
  if (epoll_ctl(epoll, operation, fd, &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
  }
}

}  // namespace

EventLoop::EventLoop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) {
    throw std::system_error(errno, std::generic_category(), "epoll_create1");
  }
}

EventLoop::~EventLoop() {
  ::close(epoll_);
}

void EventLoop::add(int fd, unsigned events, Watcher& watcher) {
  control(epoll_, EPOLL_CTL_ADD, fd, events, watcher);
}

void EventLoop::change(int fd, unsigned events, Watcher& watcher) {
  control(epoll_, EPOLL_CTL_MOD, fd, events, watcher);
}

bool EventLoop::later(const Timer& left, const Timer& right) {
  return left.when != right.when ? left.when > right.when : left.order > right.order;
}

void EventLoop::at(std::int64_t when, Task task) {
  timers_.push_back({when, next_order_++, std::move(task)});
  std::push_heap(timers_.begin(), timers_.end(), later);
}

void EventLoop::after_turn(Task task) {
  after_turn_.push_back(std::move(task));
}

bool EventLoop::run_until(const std::function<bool()>& done, std::int64_t deadline) {
  while (!done()) {
    if (now_ns() >= deadline) {
      return false;
    }
    turn(deadline);
  }
  return true;
}

void EventLoop::run_for(std::int64_t ns) {
  run_until([] { return false; }, now_ns() + ns);
}

void EventLoop::run_forever() {
  for (;;) {
    turn(std::numeric_limits<std::int64_t>::max());
  }
}

void EventLoop::turn(std::int64_t until) {
  const int count = wait(until);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = ready_events[static_cast<std::size_t>(i)];
    static_cast<Watcher*>(event.data.ptr)->on_ready(event.events);
  }
  run_timers();
  run_after_turn();
}

int EventLoop::wait(std::int64_t until) {
  if (!timers_.empty()) {
    until = std::min(until, timers_.front().when);
  }
  const bool forever = until == std::numeric_limits<std::int64_t>::max() && after_turn_.empty();
  const std::int64_t ns = after_turn_.empty() ? std::max<std::int64_t>(0, until - now_ns()) : 0;
  int count = -1;
  if (has_pwait2_) {
    // Milliseconds would bundle everything that is due in the same one.
    const timespec timeout{ns / kNsPerSecond, ns % kNsPerSecond};
    count = epoll_pwait2(epoll_, ready_events.data(), kEventsPerTurn, forever ? nullptr : &timeout,
                         nullptr);
    has_pwait2_ = count >= 0 || (errno != ENOSYS && errno != EPERM);
  }
  if (!has_pwait2_) {
    const std::int64_t ms = std::min<std::int64_t>((ns + kNsPerMs - 1) / kNsPerMs, 60'000);
    count = epoll_wait(epoll_, ready_events.data(), kEventsPerTurn, static_cast<int>(ms));
  }
  return std::max(count, 0);
}

void EventLoop::run_timers() {
  if (timers_.empty()) {
    return;
  }
  const std::int64_t now = now_ns();
  while (!timers_.empty() && timers_.front().when <= now) {
    std::pop_heap(timers_.begin(), timers_.end(), later);
    const Task task = std::move(timers_.back().task);
    timers_.pop_back();
    task();
  }
}

void EventLoop::run_after_turn() {
  if (after_turn_.empty()) {
    return;
  }
  // What these ask for in turn waits for the next turn.
  const std::vector<Task> tasks = std::exchange(after_turn_, {});
  for (const Task& task : tasks) {
    task();
  }
}

}  // namespace headgate::bench
