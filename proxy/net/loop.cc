#include "net/loop.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <utility>

#include "base/thread_name.h"
#include "net/io_watcher.h"

namespace headgate::net {
namespace {

// More wait in the kernel; sessions that became ready meanwhile, timers and mail are not kept
// waiting by a long list.
constexpr int kEventsATurn = 256;
// Ends of connections that are seen to at once; more of them can wait.
constexpr int kEndsATurn = 4;
// Of those who can wait: few, so that they stay in order when time is up before they had theirs.
constexpr int kWaitingEventsATurn = 8;
// What they have each turn at least, and one event: less than a handshake, which is what one may
// cost.
constexpr std::uint64_t kLeastForWaitingNs = 50'000;
constexpr std::uint64_t kNever = std::numeric_limits<std::int64_t>::max();

// Running out of memory or descriptors while a loop is set up, or leaving handles behind when it
// goes, is nothing a caller could mend.
void require(int result, const char* what) {
  if (result != 0) {
    std::fprintf(stderr, "%s: %s\n", what, uv_strerror(result));
    std::abort();
  }
}

bool is_end(const epoll_event& event) {
  return (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
}

template <typename Handle>
uv_handle_t* as_handle(Handle* handle) {
  return reinterpret_cast<uv_handle_t*>(handle);
}

}  // namespace

Loop::Loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), can_wait_(::epoll_create1(EPOLL_CLOEXEC)) {
  require(epoll_ && can_wait_ ? 0 : -errno, "epoll_create1");
  require(uv_loop_init(&loop_), "uv_loop_init");
  uv_timer_init(&loop_, &keeper_);
  uv_timer_start(&keeper_, [](uv_timer_t*) noexcept {}, kNever, kNever);
  uv_unref(as_handle(&keeper_));
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;  // libuv's set
  require(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, uv_backend_fd(&loop_), &event) == 0 ? 0 : -errno,
          "epoll_ctl");
  event.data.ptr = this;
  require(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, can_wait_.get(), &event) == 0 ? 0 : -errno,
          "epoll_ctl");
}

Loop::~Loop() {
  require(open_ == 0 ? 0 : UV_EBUSY, "event loop");
  uv_close(as_handle(&keeper_), nullptr);
  uv_run(&loop_, UV_RUN_NOWAIT);
  require(uv_loop_close(&loop_), "uv_loop_close");
}

void Loop::run() {
  stopped_ = false;
  uv_run(&loop_, UV_RUN_NOWAIT);  // its descriptors go into its set
  do {
    turn();
  } while (!stopped_ && alive());
}

void Loop::stop() {
  stopped_ = true;
}

void Loop::drain() {
  uv_run(&loop_, UV_RUN_NOWAIT);
  while (alive()) {
    turn();
  }
}

void Loop::turn() {
  for (TurnEnd* each = turn_ends_; each != nullptr; each = next_turn_end_) {
    next_turn_end_ = each->next_;
    each->on_turn_end_();
  }
  next_turn_end_ = nullptr;
  reap();
  std::array<epoll_event, kEventsATurn> events;
  const int count = ::epoll_wait(epoll_.get(), events.data(), kEventsATurn, timeout());
  woke_ns_ = uv_hrtime();
  uv_update_time(&loop_);
  bool for_libuv = uv_backend_timeout(&loop_) == 0;
  bool some_can_wait = false;
  int ends = 0;
  std::size_t soon = 0;  // those of kSoon gather at the front
  for (int i = 0; i < count; ++i) {
    const epoll_event event = events[static_cast<std::size_t>(i)];
    if (event.data.ptr == nullptr) {
      for_libuv = true;
    } else if (event.data.ptr == this) {
      some_can_wait = true;
    } else if (static_cast<IoWatcher*>(event.data.ptr)->urgency_ == Urgency::kSoon) {
      events[soon++] = event;
    } else if (is_end(event) && ++ends > kEndsATurn) {
      static_cast<IoWatcher*>(event.data.ptr)->set_urgency(Urgency::kCanWait);
    } else {
      static_cast<IoWatcher*>(event.data.ptr)->dispatch(event.events);
    }
  }
  if (soon > 0 || some_can_wait) {
    dispatch_those_who_can_wait(std::span(events).first(soon), some_can_wait);
  }
  if (for_libuv) {
    uv_run(&loop_, UV_RUN_NOWAIT);
  }
}

// Those of kSoon and those of the second set go first in turns, so that neither keep the others
// waiting for good. Who does not get a turn is told of again: the poll is level-triggered.
void Loop::dispatch_those_who_can_wait(std::span<const epoll_event> soon, bool others) {
  const std::uint64_t begun_ns = uv_hrtime();
  const std::uint64_t until_ns = begun_ns + std::max(kLeastForWaitingNs, begun_ns - woke_ns_);
  bool any = false;
  const auto in_time = [&] { return !any || uv_hrtime() < until_ns; };
  const auto dispatch = [&](std::span<const epoll_event> events) {
    for (const epoll_event& event : events) {
      if (!in_time()) {
        return;
      }
      any = true;
      static_cast<IoWatcher*>(event.data.ptr)->dispatch(event.events);
    }
  };
  const auto dispatch_others = [&] {
    if (others && in_time()) {
      std::array<epoll_event, kWaitingEventsATurn> events;
      const int count = ::epoll_wait(can_wait_.get(), events.data(), kWaitingEventsATurn, 0);
      dispatch(std::span(events).first(static_cast<std::size_t>(std::max(count, 0))));
    }
  };
  soon_first_ = !soon_first_;
  if (!soon_first_) {
    dispatch_others();
  }
  dispatch(soon);
  if (soon_first_) {
    dispatch_others();
  }
}

std::chrono::nanoseconds Loop::awake_for() const {
  return std::chrono::nanoseconds(uv_hrtime() - woke_ns_);
}

bool Loop::busy() const {
  for (const TurnEnd* each = turn_ends_; each != nullptr; each = each->next_) {
    if (each->busy_) {
      return true;
    }
  }
  return false;
}

bool Loop::alive() const {
  return closing_ != nullptr || busy() || uv_loop_alive(&loop_) != 0;
}

// Milliseconds that the loop may sleep; -1: until something happens.
int Loop::timeout() const {
  if (stopped_ || closing_ != nullptr || busy()) {
    return 0;
  }
  return uv_backend_timeout(&loop_);
}

void Loop::watch(int operation, int fd, std::uint32_t events, IoWatcher& watcher) {
  const UniqueFd& set = watcher.urgency_ == Urgency::kCanWait ? can_wait_ : epoll_;
  epoll_event event{};
  event.events = events;
  event.data.ptr = &watcher;
  // Fails only for a descriptor that is closed, cannot be polled or is watched already, and when
  // the kernel has no memory or fs.epoll.max_user_watches is reached.
  require(::epoll_ctl(set.get(), operation, fd, &event) == 0 ? 0 : -errno, "epoll_ctl");
  if (operation == EPOLL_CTL_ADD) {
    note_watched(1);
  } else if (operation == EPOLL_CTL_DEL) {
    note_watched(-1);
  }
}

void Loop::note_watched(int difference) {
  const bool any = watched_ > 0;
  watched_ += static_cast<std::size_t>(difference);
  if (any != (watched_ > 0)) {
    any ? uv_unref(as_handle(&keeper_)) : uv_ref(as_handle(&keeper_));
  }
}

void Loop::reap_later(IoWatcher& watcher) {
  watcher.next_closing_ = closing_;
  closing_ = &watcher;
}

// After all callbacks of the turn, so that no event of it finds a watcher whose memory is gone.
void Loop::reap() {
  while (closing_ != nullptr) {
    IoWatcher* const watcher = closing_;
    closing_ = watcher->next_closing_;
    --open_;
    watcher->on_closed_(watcher->owner_);
  }
}

struct Wakeup::Handle {
  uv_async_t async;
  std::function<void()> on_wake;
};

Wakeup::Wakeup(Loop& loop, std::function<void()> on_wake)
    : handle_(new Handle{{}, std::move(on_wake)}) {
  handle_->async.data = handle_;
  require(uv_async_init(
              loop.raw(), &handle_->async,
              [](uv_async_t* async) noexcept { static_cast<Handle*>(async->data)->on_wake(); }),
          "uv_async_init");
}

Wakeup::~Wakeup() {
  uv_close(as_handle(&handle_->async),
           [](uv_handle_t* async) noexcept { delete static_cast<Handle*>(async->data); });
}

void Wakeup::notify() {
  uv_async_send(&handle_->async);
}

TurnEnd::TurnEnd(Loop& loop, std::function<void()> on_turn_end)
    : loop_(loop), on_turn_end_(std::move(on_turn_end)), next_(loop.turn_ends_) {
  loop_.turn_ends_ = this;
}

TurnEnd::~TurnEnd() {
  if (loop_.next_turn_end_ == this) {
    loop_.next_turn_end_ = next_;
  }
  TurnEnd** place = &loop_.turn_ends_;
  while (*place != this) {
    place = &(*place)->next_;
  }
  *place = next_;
}

namespace {

// Otherwise it would be called what the worker is that came first with work for libuv's pool.
void name_thread_of_pool() {
  thread_local bool named = false;
  if (!std::exchange(named, true)) {
    name_this_thread("blocking");
  }
}

}  // namespace

void run_blocking(Loop& loop, std::function<void()> work, std::function<void()> done) {
  struct Request {
    uv_work_t work;
    std::function<void()> run;
    std::function<void()> done;
  };
  auto* request = new Request{{}, std::move(work), std::move(done)};
  request->work.data = request;
  require(uv_queue_work(
              loop.raw(), &request->work,
              [](uv_work_t* queued) noexcept {
                name_thread_of_pool();
                static_cast<Request*>(queued->data)->run();
              },
              [](uv_work_t* queued, int) noexcept {
                const std::unique_ptr<Request> finished(static_cast<Request*>(queued->data));
                finished->done();
              }),
          "uv_queue_work");
}

}  // namespace headgate::net
