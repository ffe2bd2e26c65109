#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "base/unix_time.h"
#include "server/operations/operations.h"
#include "server/operations/session_survey.h"

// What operators have done to users: moving them to other backends and back.
namespace headgate::server {
namespace {

using admin::MoveRequest;
using admin::MoveWord;
using admin::Problem;

constexpr std::chrono::seconds kUsersMayTake{10};  // to be found
// A thread of the admin server waits so long; the move goes on behind it.
constexpr std::chrono::seconds kOneMayTake{5};
constexpr std::chrono::seconds kWordMayTake{5};

std::optional<std::size_t> pool_index(const Pools& pools, const std::string& name) {
  const auto found =
      std::ranges::find_if(pools, [&](const auto& set) { return set->pool == name; });
  return found == pools.end() ? std::nullopt
                              : std::optional(static_cast<std::size_t>(found - pools.begin()));
}

bool has_backend(const balance::BackendSet& set, const HostPort& address) {
  return std::ranges::find(set.backends, address, &balance::Backend::address) != set.backends.end();
}

// By how fast it went so far, or, at the beginning, by the pace that was ordered.
std::optional<std::int64_t> seconds_left(const MoveOrder& order) {
  const auto waiting = static_cast<std::int64_t>(order.count(MoveState::kWaiting));
  const auto begun = static_cast<std::int64_t>(order.moves.size()) - waiting;
  if (waiting == 0 || order.stopped) {
    return order.stopped ? std::nullopt : std::optional<std::int64_t>(0);
  }
  const std::int64_t passed = unix_seconds() - order.since;
  if (begun > 0 && passed > 0) {
    return waiting * passed / begun;
  }
  return order.rate == 0 ? std::nullopt
                         : std::optional((waiting + order.rate - 1) / std::int64_t{order.rate});
}

admin::MoveView view_of_order(const MoveOrder& order) {
  const bool over = order.over() == order.moves.size();
  admin::MoveView view{.move = order.id,
                       .pool = order.pool,
                       .to = order.to,
                       .by = order.by,
                       .since = order.since,
                       .hold_s = order.hold_s,
                       .rate = order.rate,
                       .state = over            ? "over"
                                : order.stopped ? "stopped"
                                                : "running",
                       .users = order.moves.size(),
                       .counts = {},
                       .left_s = seconds_left(order)};
  for (std::size_t state = 0; state < kMoveStates; ++state) {
    view.counts.emplace_back(name(static_cast<MoveState>(state)), order.counts[state]);
  }
  return view;
}

admin::MovedUserView view_of_move(const Move& move) {
  return {.user = move.user,
          .from = move.from,
          .state = name(move.state),
          .back = move.back,
          .since = move.since,
          .until = move.state == MoveState::kHeld ? move.until : 0,
          .ended = move.ended,
          .detail = move.detail};
}

Mover::What what_of(MoveWord word) {
  switch (word) {
    case MoveWord::kDone:
      return Mover::What::kDone;
    case MoveWord::kUndo:
      return Mover::What::kUndo;
    case MoveWord::kStop:
      return Mover::What::kStop;
    case MoveWord::kGoOn:
      break;
  }
  return Mover::What::kGoOn;
}

}  // namespace

Mover::Surroundings Operations::mover_surroundings() {
  return {
      .snapshot = around_.snapshot,
      .pin_of = [this](const std::string& pool, const std::string& user) -> std::optional<UserPin> {
        const std::lock_guard lock(mutex_);
        const auto pin = orders_.pins().find({pool, user});
        return pin == orders_.pins().end() ? std::nullopt : std::optional(pin->second);
      },
      .change_pins = [this](std::vector<PinChange>& changes,
                            const std::function<void()>& note) { change_pins(changes, note); },
      .save = [this] { static_cast<void>(kept()); },  // the log has what is wrong
      .end_user =
          [this](const std::shared_ptr<UserEnd>& order) {
            for (const auto& worker : *around_.workers) {
              worker->post(EndUser{order});
            }
          },
      .release_user =
          [this](std::uint64_t user) {
            for (const auto& worker : *around_.workers) {
              worker->post(ReleaseUser{user});
            }
          }};
}

void Operations::change_pins(std::vector<PinChange>& changes, const std::function<void()>& note) {
  const std::lock_guard one_at_a_time(changing_);
  {
    const std::lock_guard lock(mutex_);
    for (PinChange& change : changes) {
      const auto pin = orders_.pins().find({change.pool, change.user});
      change.before = pin == orders_.pins().end() ? std::nullopt : std::optional(pin->second);
      if (change.pin) {
        change.refused = !orders_.pin(change.pool, change.user, *change.pin);
      } else {
        orders_.unpin(change.pool, change.user);
      }
    }
  }
  note();
  std::ignore = around_.orders_changed();  // nobody is answered; the log has it
}

// Where the user's sessions are, or the next one would go; empty: that cannot be said.
std::string Operations::place_of(std::size_t pool, const balance::BackendSet& set,
                                 const std::string& user) const {
  const auto snapshot = around_.snapshot();
  if (const auto place = around_.users->find(snapshot->placement.identity(pool, user))) {
    const auto at = std::ranges::find(set.backends, place->backend, &balance::Backend::hash);
    return at == set.backends.end() ? std::string() : at->address.to_string();
  }
  if (set.policy != balance::Policy::kUserHash && set.pins == nullptr) {
    return {};
  }
  const auto request = snapshot->placement.request(
      pool, set, user, IpAddress(), 0,
      static_cast<std::int64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                    std::chrono::steady_clock::now().time_since_epoch())
                                    .count()));
  const auto choice = snapshot->placement.choose(pool, set, user, request);
  const bool certain = choice.only || choice.pin || set.policy == balance::Policy::kUserHash;
  return certain && choice.backend ? set.backends[*choice.backend].address.to_string()
                                   : std::string();
}

// Who has sessions at the backend, or is pinned there by an operator. How many could not be taken,
// since another name of theirs is known than the one that backends know.
std::expected<std::size_t, Problem> Operations::find_users(const MoveRequest& request,
                                                           std::size_t pool,
                                                           MoveOrder& order) const {
  SessionSurvey::Order question;
  question.filter.pool = request.pool;
  question.filter.backend = request.from;
  question.filter.phase = metrics::name(metrics::Phase::kRelay);
  question.users = MoveLog::kMostMoves + 1;
  const auto outcome = SessionSurvey::run(std::move(question), *around_.workers, kUsersMayTake);
  if (!outcome.complete) {
    return std::unexpected(Problem{503, "a worker has not answered; it is busy or stopping"});
  }
  const auto snapshot = around_.snapshot();
  const std::string from = request.from->to_string();
  std::set<std::string> names;
  std::size_t left_out = 0;
  for (const auto& [key, user] : outcome.users) {
    if (snapshot->placement.identity(pool, user) == key) {
      names.insert(user);
    } else {
      ++left_out;
    }
  }
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, pin] : orders_.pins()) {
      if (key.first == request.pool && pin.backend == from) {
        names.insert(key.second);
      }
    }
  }
  for (const std::string& user : names) {
    if (request.pattern.empty() || matches(request.pattern, user)) {
      order.moves.push_back({.user = user, .from = from});
    }
  }
  return left_out;
}

std::expected<admin::MoveStarted, Problem> Operations::move(const MoveRequest& request,
                                                            const std::string& by) {
  const auto snapshot = around_.snapshot();
  const Pools pools = around_.pools();
  const auto pool = pool_index(pools, request.pool);
  const std::string to = request.to->to_string();
  if (!pool || !has_backend(*pools[*pool], *request.to) ||
      (request.from && !has_backend(*pools[*pool], *request.from))) {
    const std::string named = pool && request.from && has_backend(*pools[*pool], *request.to)
                                  ? request.from->to_string()
                                  : to;
    return std::unexpected(
        Problem{404, fmt::format("there is no backend {} in a pool {}", named, request.pool)});
  }
  const config::Moves& config = snapshot->config.admin.moves;
  const bool one = !request.from && request.users.size() == 1;
  MoveOrder order{.pool = request.pool,
                  .to = to,
                  .by = by,
                  .since = unix_seconds(),
                  .hold_s = !request.hold_s        ? 0
                            : *request.hold_s == 0 ? config.hold.count()
                                                   : *request.hold_s,
                  .rate = one ? 0 : request.rate.value_or(config.rate),
                  .moves = {}};
  std::size_t left_out = 0;
  if (request.from) {
    const auto found = find_users(request, *pool, order);
    if (!found) {
      return std::unexpected(found.error());
    }
    left_out = *found;
    if (order.moves.empty()) {
      return std::unexpected(
          Problem{404, fmt::format("no user to move is at {}", request.from->to_string())});
    }
  }
  for (const std::string& user : request.users) {
    order.moves.push_back({.user = user, .from = place_of(*pool, *pools[*pool], user)});
  }
  const auto id = mover_->add(std::move(order));
  if (!id) {
    return std::unexpected(id.error());
  }
  if (one) {
    mover_->wait_until_settled(*id, kOneMayTake);
  }
  admin::MoveStarted started;
  started.left_out = left_out;
  started.warning = kept();
  if (const auto known = mover_->find(*id)) {
    started.move = view_of_order(*known);
    if (one) {
      started.user = view_of_move(known->moves.front());
    }
  }
  return started;
}

// Writes down what is ordered. Empty, or why that will not survive a restart.
std::string Operations::kept() const {
  const std::lock_guard one_at_a_time(changing_);
  Orders orders;
  {
    const std::lock_guard lock(mutex_);
    orders = orders_;
  }
  return keep(orders);
}

admin::MovePage Operations::moves(std::uint64_t before, std::size_t limit) {
  admin::MovePage page;
  mover_->look([&](const MoveLog& log) {
    auto at = log.all().lower_bound(before);
    while (at != log.all().begin() && page.moves.size() < limit) {
      --at;
      page.moves.push_back(view_of_order(at->second));
    }
    page.more = at != log.all().begin();
  });
  return page;
}

std::expected<admin::MovedUserPage, Problem> Operations::moved_users(std::uint64_t move,
                                                                     const std::string& state,
                                                                     std::size_t first,
                                                                     std::size_t limit) {
  const auto wanted = move_state(state);
  if (!state.empty() && !wanted) {
    return std::unexpected(
        Problem{400, "state: expected waiting, ending, hook, held, done, failed or undone"});
  }
  std::optional<admin::MovedUserPage> page;
  mover_->look([&](const MoveLog& log) {
    const MoveOrder* order = log.find(move);
    if (order == nullptr) {
      return;
    }
    page.emplace();
    page->move = view_of_order(*order);
    for (std::size_t at = first; at < order->moves.size(); ++at) {
      if (wanted && order->moves[at].state != *wanted) {
        continue;
      }
      if (page->users.size() == limit) {
        page->next = at;
        return;
      }
      page->users.push_back(view_of_move(order->moves[at]));
    }
  });
  if (!page) {
    return std::unexpected(Problem{404, fmt::format("there is no move {}", move)});
  }
  return *std::move(page);
}

std::expected<admin::MoveTold, Problem> Operations::tell_move(std::uint64_t move, MoveWord word) {
  return told(mover_->tell(move, what_of(word)), false);
}

std::expected<admin::MoveTold, Problem> Operations::tell_move_of(const std::string& user,
                                                                 MoveWord word) {
  return told(mover_->tell(user, what_of(word)), true);
}

std::expected<admin::MoveTold, Problem> Operations::told(
    std::expected<Mover::Concerned, Problem> concerned, bool wait) {
  if (!concerned) {
    return std::unexpected(std::move(concerned.error()));
  }
  if (wait) {
    mover_->wait_until_over(concerned->order, kWordMayTake);
  }
  std::string warning = kept();
  if (!concerned->why.empty()) {
    warning += (warning.empty() ? "not for all: " : "; not for all: ") + concerned->why;
  }
  return admin::MoveTold{
      .move = concerned->order, .users = concerned->users, .warning = std::move(warning)};
}

}  // namespace headgate::server
