#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace headgate::server {

// A user who is to live at one backend of the pool; there is no other choice.
struct UserPin {
  std::string backend;     // "HOST:PORT"
  std::int64_t since = 0;  // Unix time
  std::string by;          // name of the token
};

// How far a user's move has come.
enum class MoveState : std::uint8_t {
  kWaiting,  // for its turn
  kEnding,   // the user's sessions end, and the old backend lets go of the mailbox
  kHook,     // the hook is under way; logins wait
  kHeld,     // logins wait until an operator says that it is done
  kDone,     // the user lives at the new backend
  kFailed,   // the user lives where it was before
  kUndone,   // likewise, since an operator said so
};
inline constexpr std::size_t kMoveStates = 7;
std::string_view name(MoveState state);  // "waiting"
std::optional<MoveState> move_state(std::string_view name);
// It is over, unless an operator undoes it.
constexpr bool is_over(MoveState state) {
  return state == MoveState::kDone || state == MoveState::kFailed || state == MoveState::kUndone;
}

// One user's way to another backend, or back.
struct Move {
  std::string user;  // name for the backend, in lower case
  std::string from;  // where the user was; empty: not known
  MoveState state = MoveState::kWaiting;
  bool back = false;                   // is being undone
  bool pinned = false;                 // the pin of the move is set; `before` is what it was
  std::optional<UserPin> before = {};  // that the move took the place of; while it is done
  std::int64_t since = 0;              // Unix time of the state
  std::int64_t until = 0;              // kHeld: end of the hold, Unix time
  std::uint64_t ended = 0;             // sessions
  std::string detail = {};             // what went wrong
};

// Users that one order moves to one backend.
struct MoveOrder {
  std::uint64_t id = 0;
  std::string pool;
  std::string to;           // "HOST:PORT"
  std::string by;           // name of the token
  std::int64_t since = 0;   // Unix time
  std::int64_t hold_s = 0;  // logins wait, for so long at most; 0: they do not
  unsigned rate = 0;        // users a second; 0: all at once
  bool stopped = false;     // those that wait for their turn wait on
  std::vector<Move> moves;
  std::array<std::size_t, kMoveStates> counts{};  // of `moves`, by state

  [[nodiscard]] std::size_t count(MoveState state) const {
    return counts[static_cast<std::size_t>(state)];
  }
  [[nodiscard]] std::size_t over() const {
    return count(MoveState::kDone) + count(MoveState::kFailed) + count(MoveState::kUndone);
  }
  // Ended sessions, or waits for its end: not over and not waiting.
  [[nodiscard]] std::size_t under_way() const {
    return moves.size() - over() - count(MoveState::kWaiting);
  }
};

// The moves that operators have ordered: those under way and, as long as there is room, those that
// are over, so that they can be looked at and undone.
class MoveLog {
 public:
  static constexpr std::size_t kMostMoves = 50'000;
  struct Ref {
    std::uint64_t order = 0;
    std::size_t at = 0;  // in MoveOrder::moves
    friend auto operator<=>(const Ref&, const Ref&) = default;
  };

  // Gives the order its id, and forgets the oldest that are over where there is no room. nullopt:
  // there is none.
  std::optional<std::uint64_t> add(MoveOrder order);
  [[nodiscard]] const std::map<std::uint64_t, MoveOrder>& all() const { return orders_; }
  [[nodiscard]] const MoveOrder* find(std::uint64_t id) const;
  [[nodiscard]] const Move& at(Ref ref) const { return orders_.at(ref.order).moves[ref.at]; }
  // The user's newest move that is in force or on its way.
  [[nodiscard]] std::optional<Ref> newest(const std::string& pool, const std::string& user) const;
  // The same in any pool.
  [[nodiscard]] std::optional<Ref> newest(const std::string& user) const;
  // The one way to change a move: `change` gets it. `now`: Unix time.
  template <typename Change>
  void change(Ref ref, MoveState state, std::int64_t now, Change&& change) {
    MoveOrder& order = orders_.at(ref.order);
    Move& move = order.moves[ref.at];
    --order.counts[static_cast<std::size_t>(move.state)];
    ++order.counts[static_cast<std::size_t>(state)];
    move.state = state;
    move.since = now;
    change(move);
  }
  void change(Ref ref, MoveState state, std::int64_t now) {
    change(ref, state, now, [](Move&) {});
  }
  void stop(std::uint64_t id, bool stopped) { orders_.at(id).stopped = stopped; }

  // As a state file keeps them: a list. What was under way waits for its turn again when it comes
  // back, but for holds.
  [[nodiscard]] nlohmann::json to_json() const;
  // `state`: the whole of the file, which is a JSON object. The error says what is wrong with it.
  static std::expected<MoveLog, std::string> from_json(std::string_view state);

 private:
  void make_room(std::size_t users);

  std::map<std::uint64_t, MoveOrder> orders_;
  std::size_t users_ = 0;
};

}  // namespace headgate::server
