#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/unix_time.h"
#include "server/operations/mover.h"

// What others ask of the mover, on any thread.
namespace headgate::server {
namespace {

bool settled(const MoveOrder& order) {
  return order.count(MoveState::kWaiting) == 0 && order.count(MoveState::kEnding) == 0;
}

}  // namespace

std::expected<std::uint64_t, Mover::Problem> Mover::add(MoveOrder order) {
  const std::lock_guard lock(mutex_);
  std::unordered_set<std::string> busy;
  for (const auto& [id, other] : log_.all()) {
    if (other.pool != order.pool || other.over() == other.moves.size()) {
      continue;
    }
    for (const Move& move : other.moves) {
      if (!is_over(move.state)) {
        busy.insert(move.user);
      }
    }
  }
  // Of those who are named twice the first counts.
  std::erase_if(order.moves, [&](const Move& move) { return !busy.insert(move.user).second; });
  if (order.moves.empty()) {
    return std::unexpected(Problem{409, "nobody is left to move: all are being moved already"});
  }
  if (order.moves.size() > MoveLog::kMostMoves) {
    return std::unexpected(
        Problem{409, fmt::format("at most {} users can be moved by an order, found {}",
                                 MoveLog::kMostMoves, order.moves.size())});
  }
  const auto id = log_.add(std::move(order));
  if (!id) {
    return std::unexpected(
        Problem{409, fmt::format("there is room for {} users, and too many are not moved yet",
                                 MoveLog::kMostMoves)});
  }
  look_again();
  return *id;
}

// The caller has the lock.
void Mover::look_again() {
  if (wakeup_) {
    wakeup_->notify();
  }
}

void Mover::wait_until_settled(std::uint64_t order, std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  news_.wait_for(lock, limit, [&] {
    const MoveOrder* known = log_.find(order);
    return stop_ || known == nullptr || settled(*known);
  });
}

void Mover::wait_until_over(std::uint64_t order, std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  news_.wait_for(lock, limit, [&] {
    const MoveOrder* known = log_.find(order);
    return stop_ || known == nullptr || known->over() == known->moves.size();
  });
}

bool Mover::still_as_moved(MoveLog::Ref ref) const {
  const MoveOrder& order = log_.all().at(ref.order);
  const auto pin = around_.pin_of(order.pool, order.moves[ref.at].user);
  return pin && pin->backend == order.to;
}

// Whom younger orders concern, so that the older one has no say any more. The caller has the lock.
std::unordered_set<std::string> Mover::users_of_newer(const MoveOrder& order) const {
  std::unordered_set<std::string> users;
  for (auto newer = log_.all().upper_bound(order.id); newer != log_.all().end(); ++newer) {
    if (newer->second.pool != order.pool) {
      continue;
    }
    for (const Move& move : newer->second.moves) {
      if (move.state != MoveState::kFailed && move.state != MoveState::kUndone) {
        users.insert(move.user);
      }
    }
  }
  return users;
}

// Some user of it is to go back. The caller has the lock.
void Mover::go_back_soon(std::uint64_t order) {
  paces_.erase(order);  // so that it is looked at from its beginning
  log_.stop(order, false);
}

// Empty: it does something; else why not. The caller has the lock.
std::string Mover::tell_one(MoveLog::Ref ref, What what) {
  const Move& move = log_.at(ref);
  if (what == What::kDone) {
    if (move.state != MoveState::kHeld) {
      return fmt::format("{} is not held: {}", move.user, name(move.state));
    }
    requests_.push_back({ref, what});
    return {};
  }
  switch (move.state) {
    case MoveState::kWaiting:
      if (move.back) {
        return move.user + " is on the way back already";
      }
      if (!move.pinned) {
        log_.change(ref, MoveState::kUndone, unix_seconds());
        return {};
      }
      [[fallthrough]];  // of before a restart: it had got as far as the pin
    case MoveState::kDone:
      if (!still_as_moved(ref)) {
        return move.user + " has another pin now than the move has set";
      }
      log_.change(ref, MoveState::kWaiting, unix_seconds(), [](Move& back) { back.back = true; });
      go_back_soon(ref.order);
      return {};
    case MoveState::kEnding:
    case MoveState::kHook:
    case MoveState::kHeld:
      if (move.back) {
        return move.user + " is on the way back already";
      }
      requests_.push_back({ref, what});
      return {};
    case MoveState::kFailed:
    case MoveState::kUndone:
      break;
  }
  return move.user + " has not been moved";
}

std::expected<Mover::Concerned, Mover::Problem> Mover::tell(std::uint64_t order, What what) {
  const std::lock_guard lock(mutex_);
  const MoveOrder* known = log_.find(order);
  if (known == nullptr) {
    return std::unexpected(Problem{404, fmt::format("there is no move {}", order)});
  }
  Concerned concerned{.order = order, .users = 0, .why = {}};
  if (what == What::kStop || what == What::kGoOn) {
    concerned.users = known->count(MoveState::kWaiting);
    log_.stop(order, what == What::kStop);
    look_again();
    return concerned;
  }
  const auto moved_again = users_of_newer(*known);
  const std::size_t users = known->moves.size();
  for (std::size_t at = 0; at < users; ++at) {
    const std::string& user = known->moves[at].user;
    std::string why = moved_again.contains(user) ? user + " has been moved again since"
                                                 : tell_one({order, at}, what);
    concerned.users += why.empty() ? 1U : 0U;
    concerned.why = why.empty() ? std::move(concerned.why) : std::move(why);
  }
  if (concerned.users == 0) {
    return std::unexpected(Problem{409, concerned.why});
  }
  look_again();
  return concerned;
}

std::expected<Mover::Concerned, Mover::Problem> Mover::tell(const std::string& user, What what) {
  const std::lock_guard lock(mutex_);
  const auto ref = log_.newest(user);
  if (!ref) {
    return std::unexpected(Problem{404, user + " has no move that could be undone or ended"});
  }
  if (std::string why = tell_one(*ref, what); !why.empty()) {
    return std::unexpected(Problem{409, std::move(why)});
  }
  look_again();
  return Concerned{.order = ref->order, .users = 1, .why = {}};
}

std::optional<MoveOrder> Mover::find(std::uint64_t order) const {
  const std::lock_guard lock(mutex_);
  const MoveOrder* known = log_.find(order);
  return known != nullptr ? std::optional(*known) : std::nullopt;
}

void Mover::look(const std::function<void(const MoveLog&)>& look) const {
  const std::lock_guard lock(mutex_);
  look(log_);
}

metrics::MoveFigures Mover::figures() const {
  const std::lock_guard lock(mutex_);
  metrics::MoveFigures figures = figures_;
  for (const auto& [id, order] : log_.all()) {
    for (std::size_t state = 0; state < figures.users.size(); ++state) {
      figures.users[state] += order.counts[state];
    }
  }
  return figures;
}

}  // namespace headgate::server
