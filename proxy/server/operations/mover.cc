#include "server/operations/mover.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/thread_name.h"
#include "base/unix_time.h"

// The thread's part of moving users up to their end, which is mover_ends.cc; mover_orders.cc has
// what others ask of it.
namespace headgate::server {

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kMoverTickMs = 50;

std::optional<std::size_t> index_of_pool(const Snapshot& snapshot, const std::string& pool) {
  const auto found = std::ranges::find(snapshot.config.pools, pool, &config::Pool::name);
  return found == snapshot.config.pools.end()
             ? std::nullopt
             : std::optional(static_cast<std::size_t>(found - snapshot.config.pools.begin()));
}

// Backend::hash of "HOST:PORT"; 0: of nothing.
std::uint64_t backend_hash(const std::string& backend) {
  const auto address = HostPort::parse(backend);
  return address ? balance::backend_key(*address) : 0;
}

}  // namespace

Mover::Mover(Surroundings surroundings, MoveLog log)
    : around_(std::move(surroundings)),
      first_(around_.snapshot()),
      config_(first_->config.admin.moves),
      log_(std::move(log)) {
  timers_.emplace(loop_);
  wakeup_.emplace(loop_, [this] { on_news(); });
  tick_.emplace(this, &Mover::on_tick);
  if (config_.hook) {
    hook_.emplace(*config_.hook, loop_, *timers_);
  }
}

Mover::~Mover() {
  stop();
  wakeup_.reset();
  hook_.reset();
  tick_.reset();
  timers_.reset();
  loop_.drain();
}

void Mover::begin() {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, order] : log_.all()) {
    for (std::size_t at = 0; at < order.moves.size(); ++at) {
      const Move& move = order.moves[at];
      if (move.state != MoveState::kHeld) {
        continue;
      }
      Active held = make_active({id, at});
      held.stage = Stage::kHeld;
      held.deadline = Clock::now() +
                      std::chrono::seconds(std::max<std::int64_t>(move.until - unix_seconds(), 0));
      held.ending = std::make_shared<UserEnd>();
      held.ending->user = held.key;
      held.ending->hold = true;
      around_.end_user(held.ending);
      active_.push_back(std::move(held));
    }
  }
  timers_->arm(*tick_, kMoverTickMs);
  thread_ = std::thread([this] { run(); });
}

void Mover::stop() {
  if (!thread_.joinable()) {
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    wakeup_->notify();
    news_.notify_all();
  }
  thread_.join();
}

void Mover::run() {
  name_this_thread("mover");
  loop_.run();
  active_.clear();
  hook_.reset();
  tick_.reset();
  {
    const std::lock_guard lock(mutex_);
    wakeup_.reset();
  }
  timers_->let_loop_end();
  loop_.drain();
}

void Mover::on_news() {
  const bool stop = [this] {
    const std::lock_guard lock(mutex_);
    return stop_;
  }();
  if (stop) {
    loop_.stop();
  } else if (!tick_->armed()) {
    ticked_at_ = Clock::now();
    timers_->arm(*tick_, 1);
  }
}

void Mover::on_tick(void* self) noexcept {
  static_cast<Mover*>(self)->tick();
}

void Mover::tick() {
  heed_requests();
  set_out(take_turns());
  for (Active& active : active_) {
    advance(active);
  }
  finish_some();
  ticked_at_ = Clock::now();
  if (anything_to_do()) {
    timers_->arm(*tick_, kMoverTickMs);
  }
}

bool Mover::anything_to_do() const {
  const std::lock_guard lock(mutex_);
  return !active_.empty() || !requests_.empty() ||
         std::ranges::any_of(log_.all(), [](const auto& one) {
           return !one.second.stopped && one.second.count(MoveState::kWaiting) != 0;
         });
}

// Operators say that a hold is over, or that a move is not to be.
void Mover::heed_requests() {
  std::vector<Request> requests;
  {
    const std::lock_guard lock(mutex_);
    requests.swap(requests_);
  }
  for (const Request& request : requests) {
    const auto found = std::ranges::find(active_, request.ref, &Active::ref);
    if (request.what == What::kUndo && found == active_.end()) {
      const std::lock_guard lock(mutex_);
      static_cast<void>(tell_one(request.ref, What::kUndo));  // it was over just then
    } else if (request.what == What::kUndo) {
      undo(*found);
    } else if (found != active_.end() && found->stage == Stage::kHeld) {
      end_as(*found, End::kMoved, {});
    }
  }
}

// Who has another pin by now, or will have with the end of this tick, goes all the way and comes
// back: sessions may be at the new backend already.
void Mover::undo(Active& active) {
  if (!active.pinned && active.stage != Stage::kOver) {
    end_as(active, End::kUndone, {});
    return;
  }
  active.turn_back = true;
  if (active.hold && active.stage != Stage::kOver) {
    end_as(active, End::kMoved, {});
  }
}

// The caller has the lock, or is alone.
Mover::Active Mover::make_active(MoveLog::Ref ref) const {
  const MoveOrder& order = log_.all().at(ref.order);
  const Move& move = order.moves[ref.at];
  Active active;
  active.ref = ref;
  active.by = order.by;
  active.back = move.back;
  active.pinned = move.pinned;
  active.before = move.before;
  active.facts = {.order = ref.order,
                  .pool = order.pool,
                  .user = move.user,
                  .from = move.back ? order.to : move.from,
                  .to = move.back ? move.from : order.to};
  active.asked_to_hold = order.hold_s != 0 && !move.back;
  active.hold = active.asked_to_hold || config_.hook.has_value();
  active.began = Clock::now();
  if (active.asked_to_hold) {
    active.deadline = active.began + std::chrono::seconds(order.hold_s);
  }
  const auto snapshot = around_.snapshot();
  if (const auto pool = index_of_pool(*snapshot, order.pool)) {
    active.key = snapshot->placement.identity(*pool, move.user);
  }
  return active;
}

// Those whose turn it is by now.
std::vector<Mover::Active> Mover::take_turns() {
  const auto now = Clock::now();
  const double passed = std::chrono::duration<double>(now - ticked_at_).count();
  ticked_at_ = now;
  auto busy = static_cast<std::size_t>(std::ranges::count_if(active_, [](const Active& active) {
    return active.stage != Stage::kHeld && active.stage != Stage::kOver;
  }));
  std::vector<Active> starting;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, order] : log_.all()) {
    if (order.stopped || order.count(MoveState::kWaiting) == 0) {
      paces_.erase(id);
      continue;
    }
    Pace& pace = paces_[id];
    const double earned = order.rate * passed;
    pace.credit = order.rate == 0 ? static_cast<double>(order.moves.size())
                                  : std::min(pace.credit + earned, std::max(1.0, earned));
    while (pace.next < order.moves.size() && pace.credit >= 1 && busy < config_.parallel) {
      const MoveLog::Ref ref{id, pace.next++};
      if (log_.at(ref).state == MoveState::kWaiting) {
        starting.push_back(make_active(ref));
        log_.change(ref, MoveState::kEnding, unix_seconds());
        pace.credit -= 1;
        ++busy;
      }
    }
  }
  return starting;
}

// Sessions end, and logins wait; where they do not the pin is set before.
void Mover::set_out(std::vector<Active> starting) {
  std::vector<Active*> pinned_first;
  for (Active& active : starting) {
    active.ending = std::make_shared<UserEnd>();
    active.ending->user = active.key;
    active.ending->hold = active.hold;
    active.ending->but_at = backend_hash(active.facts.to);
    active.ending->detail = "by " + active.by;
    if (!active.hold) {
      pinned_first.push_back(&active);
    }
  }
  set_pins(pinned_first);
  for (Active& active : starting) {
    if (active.stage != Stage::kOver) {
      around_.end_user(active.ending);
    }
    active_.push_back(std::move(active));
  }
}

void Mover::advance(Active& active) {
  if (active.stage == Stage::kOver) {
    return;
  }
  const auto now = Clock::now();
  if (now >= active.deadline) {
    if (active.stage == Stage::kHook) {
      hook_->cancel(active.hook);
    }
    end_as(active, End::kFailed, "the hold has lasted too long");
    return;
  }
  switch (active.stage) {
    case Stage::kEnding:
      if (active.ending.use_count() > 1) {
        return;  // some worker has not seen it yet
      }
      if (!active.hold) {
        end_as(active, End::kMoved, {});
        return;
      }
      active.stage = Stage::kSettling;
      active.settled_at = now + (ended_of(active) != 0 ? config_.settle : 0ms);
      return;
    case Stage::kSettling:
      if (now >= active.settled_at) {
        after_settling(active);
      }
      return;
    case Stage::kHook:
      advance_hook(active);
      return;
    case Stage::kHeld:
    case Stage::kOver:
      return;
  }
}

std::uint64_t Mover::ended_of(const Active& active) {
  return active.ending ? active.ending->ended.load(std::memory_order_relaxed) : 0;
}

void Mover::after_settling(Active& active) {
  const auto left =
      std::chrono::duration_cast<std::chrono::seconds>(active.deadline - Clock::now());
  if (hook_) {
    active.hook = hook_->start(active.facts);
  }
  active.stage = hook_ ? Stage::kHook : Stage::kHeld;
  const std::lock_guard lock(mutex_);
  log_.change(active.ref, hook_ ? MoveState::kHook : MoveState::kHeld, unix_seconds(),
              [&](Move& move) {
                move.ended = ended_of(active);
                move.until = hook_ ? 0 : unix_seconds() + left.count();
              });
  news_.notify_all();
  write_due_ = true;  // else a restart would let the user in
}

void Mover::advance_hook(Active& active) {
  const auto outcome = hook_->finished(active.hook);
  if (!outcome) {
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    ++figures_.hooks[outcome->error.empty() ? 0U : outcome->late ? 2U : 1U];
    figures_.hook_seconds += std::chrono::duration<double>(outcome->took).count();
  }
  if (outcome->error.empty()) {
    end_as(active, End::kMoved, {});
    return;
  }
  log::warning("move hook failed", {{"user", active.facts.user},
                                    {"pool", active.facts.pool},
                                    {"from", active.facts.from},
                                    {"to", active.facts.to},
                                    {"error", outcome->error}});
  end_as(active, End::kFailed, "hook: " + outcome->error);
}

// What has failed may be completed nonetheless.
void Mover::end_as(Active& active, End end, std::string detail) {
  if (active.stage == Stage::kHook && (end == End::kUndone || active.turn_back)) {
    hook_->cancel(active.hook);
  }
  const bool go_on = end == End::kFailed && active.hold &&
                     (active.pinned || config_.when_failed == config::WhenMoveFails::kComplete);
  active.stage = Stage::kOver;
  active.end = go_on ? End::kMoved : end;
  active.detail = std::move(detail);
}

}  // namespace headgate::server
