#include "server/operations/move_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace headgate::server {
namespace {

using MoveJson = nlohmann::json;

constexpr std::array<std::string_view, kMoveStates> kStateNames = {
    "waiting", "ending", "hook", "held", "done", "failed", "undone"};

// The value of an entry's member, or the default where there is none of that type.
template <typename T>
T value_or(const MoveJson& entry, const char* key, T otherwise) {
  const auto found = entry.find(key);
  if (found == entry.end()) {
    return otherwise;
  }
  if constexpr (std::is_same_v<T, std::string>) {
    return found->is_string() ? found->get<T>() : otherwise;
  } else if constexpr (std::is_same_v<T, bool>) {
    return found->is_boolean() ? found->get<T>() : otherwise;
  } else {
    return found->is_number_integer() ? found->get<T>() : otherwise;
  }
}

MoveJson json_of(const Move& move) {
  MoveJson entry = {{"user", move.user},   {"from", move.from},   {"state", name(move.state)},
                    {"since", move.since}, {"ended", move.ended}, {"back", move.back}};
  if (move.pinned) {
    entry["pinned"] = true;
  }
  if (move.state == MoveState::kHeld) {
    entry["until"] = move.until;
  }
  if (!move.detail.empty()) {
    entry["detail"] = move.detail;
  }
  if (move.before) {
    entry["before"] = {
        {"backend", move.before->backend}, {"since", move.before->since}, {"by", move.before->by}};
  }
  return entry;
}

std::optional<Move> read_move(const MoveJson& entry) {
  if (!entry.is_object()) {
    return std::nullopt;
  }
  const auto state = move_state(value_or<std::string>(entry, "state", ""));
  Move move{.user = value_or<std::string>(entry, "user", ""),
            .from = value_or<std::string>(entry, "from", ""),
            .state = state.value_or(MoveState::kWaiting),
            .back = value_or(entry, "back", false),
            .pinned = value_or(entry, "pinned", false),
            .before = {},
            .since = value_or<std::int64_t>(entry, "since", 0),
            .until = value_or<std::int64_t>(entry, "until", 0),
            .ended = value_or<std::uint64_t>(entry, "ended", 0),
            .detail = value_or<std::string>(entry, "detail", "")};
  if (!state || move.user.empty()) {
    return std::nullopt;
  }
  if (move.state == MoveState::kEnding || move.state == MoveState::kHook) {
    move.state = MoveState::kWaiting;
  }
  if (const auto before = entry.find("before"); before != entry.end()) {
    if (!before->is_object()) {
      return std::nullopt;
    }
    move.before = UserPin{.backend = value_or<std::string>(*before, "backend", ""),
                          .since = value_or<std::int64_t>(*before, "since", 0),
                          .by = value_or<std::string>(*before, "by", "")};
  }
  return move;
}

std::optional<MoveOrder> read_order(const MoveJson& entry) {
  if (!entry.is_object()) {
    return std::nullopt;
  }
  MoveOrder order{.id = value_or<std::uint64_t>(entry, "id", 0),
                  .pool = value_or<std::string>(entry, "pool", ""),
                  .to = value_or<std::string>(entry, "to", ""),
                  .by = value_or<std::string>(entry, "by", ""),
                  .since = value_or<std::int64_t>(entry, "since", 0),
                  .hold_s = value_or<std::int64_t>(entry, "hold_s", 0),
                  .rate = value_or<unsigned>(entry, "rate", 0),
                  .stopped = value_or(entry, "stopped", false),
                  .moves = {}};
  const auto moves = entry.find("users");
  if (order.id == 0 || order.pool.empty() || order.to.empty() || moves == entry.end() ||
      !moves->is_array()) {
    return std::nullopt;
  }
  for (const MoveJson& one : *moves) {
    auto move = read_move(one);
    if (!move) {
      return std::nullopt;
    }
    order.moves.push_back(*std::move(move));
  }
  return order;
}

void count_moves(MoveOrder& order) {
  order.counts = {};
  for (const Move& move : order.moves) {
    ++order.counts[static_cast<std::size_t>(move.state)];
  }
}

}  // namespace

std::string_view name(MoveState state) {
  return kStateNames[static_cast<std::size_t>(state)];
}

std::optional<MoveState> move_state(std::string_view name) {
  const auto found = std::ranges::find(kStateNames, name);
  return found == kStateNames.end()
             ? std::nullopt
             : std::optional(static_cast<MoveState>(found - kStateNames.begin()));
}

void MoveLog::make_room(std::size_t users) {
  for (auto at = orders_.begin(); at != orders_.end() && users_ + users > kMostMoves;) {
    const bool over = at->second.over() == at->second.moves.size();
    users_ -= over ? at->second.moves.size() : 0;
    at = over ? orders_.erase(at) : std::next(at);
  }
}

std::optional<std::uint64_t> MoveLog::add(MoveOrder order) {
  make_room(order.moves.size());
  if (users_ + order.moves.size() > kMostMoves) {
    return std::nullopt;
  }
  if (order.id == 0) {
    order.id = orders_.empty() ? 1 : orders_.rbegin()->first + 1;
  }
  count_moves(order);
  users_ += order.moves.size();
  const std::uint64_t id = order.id;
  orders_.insert_or_assign(id, std::move(order));
  return id;
}

const MoveOrder* MoveLog::find(std::uint64_t id) const {
  const auto found = orders_.find(id);
  return found == orders_.end() ? nullptr : &found->second;
}

std::optional<MoveLog::Ref> MoveLog::newest(const std::string& pool,
                                            const std::string& user) const {
  for (auto order = orders_.rbegin(); order != orders_.rend(); ++order) {
    if (!pool.empty() && order->second.pool != pool) {
      continue;
    }
    const auto& moves = order->second.moves;
    const auto found = std::ranges::find_if(moves, [&](const Move& move) {
      return move.user == user && move.state != MoveState::kFailed &&
             move.state != MoveState::kUndone;
    });
    if (found != moves.end()) {
      return Ref{order->first, static_cast<std::size_t>(found - moves.begin())};
    }
  }
  return std::nullopt;
}

std::optional<MoveLog::Ref> MoveLog::newest(const std::string& user) const {
  return newest(std::string(), user);
}

MoveJson MoveLog::to_json() const {
  MoveJson all = MoveJson::array();
  for (const auto& [id, order] : orders_) {
    MoveJson users = MoveJson::array();
    for (const Move& move : order.moves) {
      users.push_back(json_of(move));
    }
    all.push_back({{"id", id},
                   {"pool", order.pool},
                   {"to", order.to},
                   {"by", order.by},
                   {"since", order.since},
                   {"hold_s", order.hold_s},
                   {"rate", order.rate},
                   {"stopped", order.stopped},
                   {"users", std::move(users)}});
  }
  return all;
}

std::expected<MoveLog, std::string> MoveLog::from_json(std::string_view text) {
  MoveLog log;
  const MoveJson state = MoveJson::parse(text, nullptr, false);
  const auto moves = state.find("moves");
  if (moves == state.end()) {
    return log;  // written by a version that had none
  }
  std::size_t at = 0;
  for (const MoveJson& entry : *moves) {
    auto order = read_order(entry);
    if (!order || !log.add(*std::move(order))) {
      return std::unexpected(fmt::format(
          "moves[{}]: expected id, pool, to, by, since, hold_s, rate, stopped and users", at));
    }
    ++at;
  }
  return log;
}

}  // namespace headgate::server
