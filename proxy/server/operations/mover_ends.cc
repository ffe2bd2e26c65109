#include <algorithm>
#include <set>
#include <utility>

#include "base/log.h"
#include "base/unix_time.h"
#include "server/operations/mover.h"

// The end of moves: pins, the log of moves and its file, words for operators.
namespace headgate::server {
namespace {

// Writing down who has moved may take this part of the time at most: many write it less often.
constexpr int kRestBetweenWrites = 9;

}  // namespace

// Where these users live from now on.
void Mover::set_pins(const std::vector<Active*>& moved) {
  if (moved.empty()) {
    return;
  }
  std::vector<PinChange> changes;
  for (const Active* active : moved) {
    PinChange& change = changes.emplace_back();
    change.pool = active->facts.pool;
    change.user = active->facts.user;
    change.pin = active->before;
    if (!active->back) {
      change.pin = UserPin{.backend = active->facts.to, .since = unix_seconds(), .by = active->by};
    }
  }
  around_.change_pins(changes, [&] { note_pins(moved, changes); });
}

// In the log with the pins: whoever reads a state file knows whether the pin that is there is the
// move's own, or what it is to take the place of.
void Mover::note_pins(const std::vector<Active*>& moved, const std::vector<PinChange>& changes) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < moved.size(); ++i) {
    Active& active = *moved[i];
    if (changes[i].refused) {
      active.stage = Stage::kOver;
      active.end = End::kFailed;
      active.detail = "there are as many pins as there may be";
    } else if (!active.back && !active.pinned) {
      active.pinned = true;
      active.before = changes[i].before;
      const MoveState state = log_.at(active.ref).state;
      log_.change(active.ref, state, unix_seconds(), [&](Move& move) {
        move.pinned = true;
        move.before = active.before;
      });
    }
  }
}

// The pins first, then the file, then the logins: nobody gets in anywhere that a restart would not
// know of.
void Mover::finish_some() {
  const auto begun = Clock::now();
  const bool any = std::ranges::any_of(
      active_, [](const Active& active) { return active.stage == Stage::kOver; });
  if ((!any && !write_due_) || begun < write_at_) {
    return;
  }
  std::vector<Active*> moved;
  for (Active& active : active_) {
    if (active.stage == Stage::kOver && active.hold && active.end == End::kMoved) {
      moved.push_back(&active);
    }
  }
  set_pins(moved);
  for (const Active& active : active_) {
    if (active.stage == Stage::kOver) {
      note_end(active);
    }
  }
  around_.save();
  std::set<std::uint64_t> orders;
  for (const Active& active : active_) {
    if (active.stage == Stage::kOver) {
      if (active.hold) {
        around_.release_user(active.key);
      }
      report(active);
      orders.insert(active.ref.order);
    }
  }
  std::ranges::for_each(orders, [this](std::uint64_t order) { report_order(order); });
  std::erase_if(active_, [](const Active& active) { return active.stage == Stage::kOver; });
  write_due_ = false;
  write_at_ = Clock::now() + kRestBetweenWrites * (Clock::now() - begun);
  news_.notify_all();
}

void Mover::note_end(const Active& active) {
  MoveState state = active.back ? MoveState::kUndone : MoveState::kDone;
  if (active.end == End::kFailed) {
    state = active.back ? MoveState::kDone : MoveState::kFailed;
  } else if (active.end == End::kUndone) {
    state = MoveState::kUndone;
  }
  const std::lock_guard lock(mutex_);
  // Also who was asked back after heed_requests(): nobody is to see the move done in between.
  const bool asked_back =
      active.turn_back || std::ranges::any_of(requests_, [&](const Request& request) {
        return request.what == What::kUndo && request.ref == active.ref;
      });
  const bool turn_back =
      asked_back && state == MoveState::kDone && !active.back && still_as_moved(active.ref);
  log_.change(active.ref, turn_back ? MoveState::kWaiting : state, unix_seconds(), [&](Move& move) {
    move.back = turn_back;
    move.pinned = state == MoveState::kDone;
    // Of one who was held over a restart it is known already.
    move.ended = std::max(move.ended, ended_of(active));
    move.detail = active.detail;
    if (state != MoveState::kDone) {
      move.before.reset();
    }
  });
  if (turn_back) {
    go_back_soon(active.ref.order);
  }
  ++figures_.results[active.end == End::kFailed ? 1U : state == MoveState::kUndone ? 2U : 0U];
}

void Mover::report(const Active& active) const {
  const auto took =
      std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - active.began);
  const bool failed = active.end == End::kFailed;
  log::write(failed ? log::Level::kWarning : log::Level::kInfo,
             failed                       ? "user not moved"
             : active.end == End::kUndone ? "move undone"
                                          : "user moved",
             {{"move", active.ref.order},
              {"user", active.facts.user},
              {"pool", active.facts.pool},
              {"from", active.facts.from},
              {"to", active.facts.to},
              {"token", active.by},
              {"ended", ended_of(active)},
              {"took_ms", static_cast<std::int64_t>(took.count())},
              {"detail", active.detail}});
}

void Mover::report_order(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  const MoveOrder* order = log_.find(id);
  if (order != nullptr && order->moves.size() > 1 && order->over() == order->moves.size()) {
    log::info("users moved", {{"move", order->id},
                              {"pool", order->pool},
                              {"to", order->to},
                              {"done", std::uint64_t{order->count(MoveState::kDone)}},
                              {"failed", std::uint64_t{order->count(MoveState::kFailed)}},
                              {"undone", std::uint64_t{order->count(MoveState::kUndone)}}});
  }
}

}  // namespace headgate::server
