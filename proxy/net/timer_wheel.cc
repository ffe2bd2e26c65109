#include "net/timer_wheel.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

namespace headgate::net {
namespace {

constexpr std::uint64_t kSlots = 4096;  // 205 seconds a revolution with ticks of 50 ms
constexpr std::uint64_t kWordBits = 64;
constexpr std::uint64_t kNoTick = std::numeric_limits<std::uint64_t>::max();

}  // namespace

void Timer::cancel() {
  if (armed()) {
    unlink();
  }
}

void Timer::unlink() {
  previous_->next_ = next_;
  next_->previous_ = previous_;
  next_ = nullptr;
  previous_ = nullptr;
}

// A slot is a ring of timers through a head. Timers of later revolutions stay in their slot when it
// comes up. `used` has a bit for each slot that may have timers; it is cleared when the slot is
// next looked at, so cancelling touches no more than the timer's neighbours.
struct TimerWheel::Impl {
  Impl(Loop& owner, std::uint64_t ms) : loop(owner), tick_ms(ms), tick(owner.now_ms() / ms) {
    for (Timer& head : heads) {
      make_empty(head);
    }
    uv_timer_init(loop.raw(), &alarm);
    alarm.data = this;
  }

  static void make_empty(Timer& head) {
    head.next_ = &head;
    head.previous_ = &head;
  }
  static bool is_empty(const Timer& head) { return head.next_ == &head; }
  static void append(Timer& head, Timer& timer) {
    timer.previous_ = head.previous_;
    timer.next_ = &head;
    head.previous_->next_ = &timer;
    head.previous_ = &timer;
  }
  // All timers of `from` go to the empty ring `to`.
  static void move_all(Timer& from, Timer& to) {
    if (is_empty(from)) {
      return;
    }
    to.next_ = from.next_;
    to.previous_ = from.previous_;
    to.next_->previous_ = &to;
    to.previous_->next_ = &to;
    make_empty(from);
  }

  void insert(Timer& timer) {
    // Rounded up, so never early; after `tick`, so that a run does not meet what it armed itself.
    const std::uint64_t due = std::max((timer.deadline_ms_ + tick_ms - 1) / tick_ms, tick + 1);
    const std::uint64_t slot = due % kSlots;
    append(heads[slot], timer);
    used[slot / kWordBits] |= std::uint64_t{1} << (slot % kWordBits);
    // In its first revolution a timer of a later one costs a look at its slot and no more.
    schedule(std::min(due, tick + kSlots));
  }

  void schedule(std::uint64_t wanted_tick) {
    if (running || wanted_tick >= scheduled) {
      return;
    }
    scheduled = wanted_tick;
    const std::uint64_t at = wanted_tick * tick_ms;
    const std::uint64_t now = loop.now_ms();
    uv_timer_start(
        &alarm, [](uv_timer_t* timer) noexcept { static_cast<Impl*>(timer->data)->run(); },
        at > now ? at - now : 0, 0);
  }

  // The first slot with timers after `tick`, as a tick; kNoTick if all are empty.
  std::uint64_t next_used() {
    const std::uint64_t first = (tick + 1) % kSlots;
    for (std::uint64_t i = 0; i <= used.size(); ++i) {
      const std::uint64_t word = (first / kWordBits + i) % used.size();
      std::uint64_t bits = used[word];
      if (i == 0) {
        bits &= ~std::uint64_t{0} << (first % kWordBits);
      }
      for (; bits != 0; bits &= bits - 1) {
        const std::uint64_t slot = word * kWordBits + static_cast<unsigned>(std::countr_zero(bits));
        if (!is_empty(heads[slot])) {
          return tick + 1 + (slot + kSlots - first) % kSlots;
        }
        used[word] &= ~(bits & -bits);  // all its timers were cancelled
      }
    }
    return kNoTick;
  }

  void run() {
    running = true;
    const std::uint64_t now_tick = loop.now_ms() / tick_ms;
    for (std::uint64_t next = next_used(); next <= now_tick; next = next_used()) {
      tick = next;
      run_slot(next % kSlots);
    }
    tick = std::max(tick, now_tick);
    running = false;
    scheduled = kNoTick;
    if (const std::uint64_t next = next_used(); next != kNoTick) {
      schedule(next);
    }
  }

  void run_slot(std::uint64_t slot) {
    Timer due(nullptr, nullptr);
    make_empty(due);
    move_all(heads[slot], due);
    used[slot / kWordBits] &= ~(std::uint64_t{1} << (slot % kWordBits));
    // One at a time from the front: a callback may unlink or destroy any of the others.
    while (!is_empty(due)) {
      Timer& timer = *due.next_;
      timer.unlink();
      if (timer.deadline_ms_ > tick * tick_ms) {
        insert(timer);
      } else {
        timer.on_expiry_(timer.owner_);
      }
    }
  }

  // Timers that outlive the wheel are disarmed.
  void disarm_all() {
    for (Timer& head : heads) {
      while (!is_empty(head)) {
        head.next_->unlink();
      }
    }
  }

  // A ring's head is a Timer that never expires.
  struct Head : Timer {
    Head() : Timer(nullptr, nullptr) {}
  };

  Loop& loop;
  const std::uint64_t tick_ms;
  uv_timer_t alarm{};
  std::uint64_t tick;                 // all slots up to this one are run
  std::uint64_t scheduled = kNoTick;  // tick that `alarm` is set to
  bool running = false;
  std::array<std::uint64_t, kSlots / kWordBits> used{};
  std::array<Head, kSlots> heads;
};

TimerWheel::TimerWheel(Loop& loop, std::uint64_t tick_ms) : impl_(new Impl(loop, tick_ms)) {}

void TimerWheel::let_loop_end() {
  uv_unref(reinterpret_cast<uv_handle_t*>(&impl_->alarm));
}

TimerWheel::~TimerWheel() {
  impl_->disarm_all();
  uv_close(reinterpret_cast<uv_handle_t*>(&impl_->alarm),
           [](uv_handle_t* alarm) noexcept { delete static_cast<Impl*>(alarm->data); });
}

void TimerWheel::arm(Timer& timer, std::uint64_t after_ms) {
  timer.cancel();
  timer.deadline_ms_ = impl_->loop.now_ms() + after_ms;
  impl_->insert(timer);
}

std::uint64_t TimerWheel::now_ms() const {
  return impl_->loop.now_ms();
}

}  // namespace headgate::net
