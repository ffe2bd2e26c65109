#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "admin/control.h"
#include "metrics/move_figures.h"
#include "net/loop.h"
#include "net/timer_wheel.h"
#include "server/operations/move_hook.h"
#include "server/operations/move_log.h"
#include "server/snapshot.h"
#include "server/worker.h"

namespace headgate::server {

// A pin that a move sets, or, without one, takes away.
struct PinChange {
  std::string pool;
  std::string user;
  std::optional<UserPin> pin;
  std::optional<UserPin> before;  // answer: what there was
  bool refused = false;           // answer: there are too many already
};

// Moves users to other backends and back, on a thread of its own, at the pace that was ordered:
//
//   waiting → ending → hook → done        or failed: the user stays where it was
//                   └→ held → done
//
// Where logins are to wait, all sessions of the user end first, and only when the move is over the
// pin is set and the logins go on: until then the user lives at the old backend as far as
// everything else knows, so that nothing has to be taken back when the move fails or the process
// ends. Without a hold the pin comes first and the sessions end after it.
class Mover {
 public:
  struct Surroundings {
    std::function<std::shared_ptr<const Snapshot>()> snapshot;
    std::function<std::optional<UserPin>(const std::string& pool, const std::string& user)> pin_of;
    // In force for all that workers are told afterwards. `note` is called before anybody can write
    // the pins down as they are then.
    std::function<void(std::vector<PinChange>& changes, const std::function<void()>& note)>
        change_pins;
    std::function<void()> save;  // what state() says, and the pins
    // Every worker ends the user's sessions and gives the order up; lets logins of the user go on.
    std::function<void(const std::shared_ptr<UserEnd>& order)> end_user;
    std::function<void(std::uint64_t user)> release_user;
  };
  using Problem = admin::Problem;

  // `log`: what a state file knew.
  Mover(Surroundings surroundings, MoveLog log);
  ~Mover();
  Mover(const Mover&) = delete;
  Mover& operator=(const Mover&) = delete;

  // The workers are there, whether or not they run. Users who were held are held again.
  void begin();
  // Ends the thread; what was under way goes on after a restart, if there is a state file.
  void stop();

  // What follows is for any thread.
  // An order with at least one user; those who are being moved already are left out. Its number.
  std::expected<std::uint64_t, Problem> add(MoveOrder order);
  // Until no user of the order waits for a turn or has sessions ending, and `limit` at most.
  void wait_until_settled(std::uint64_t order, std::chrono::milliseconds limit);
  // Until all users have moved, or not.
  void wait_until_over(std::uint64_t order, std::chrono::milliseconds limit);
  enum class What : std::uint8_t { kDone, kUndo, kStop, kGoOn };
  struct Concerned {
    std::uint64_t order = 0;
    std::size_t users = 0;  // for whom it does something
    std::string why;        // that there are not more; empty: nothing to say
  };
  // Of all users of an order, or of the newest move of one user.
  std::expected<Concerned, Problem> tell(std::uint64_t order, What what);
  std::expected<Concerned, Problem> tell(const std::string& user, What what);
  // A copy of what is known of an order.
  [[nodiscard]] std::optional<MoveOrder> find(std::uint64_t order) const;
  // Calls `look` with all of it; nobody else gets at it meanwhile.
  void look(const std::function<void(const MoveLog&)>& look) const;
  [[nodiscard]] metrics::MoveFigures figures() const;

 private:
  using Clock = std::chrono::steady_clock;
  enum class Stage : std::uint8_t { kEnding, kSettling, kHook, kHeld, kOver };
  // How a move ended.
  enum class End : std::uint8_t { kMoved, kFailed, kUndone };
  // A move that is under way; the thread's own.
  struct Active {
    MoveLog::Ref ref;
    MoveFacts facts;  // of a user who goes back: from and to as that way is
    std::string by;
    bool back = false;
    bool hold = false;
    bool asked_to_hold = false;  // by the operator: there is a limit, with or without a hook
    bool pinned = false;         // Move::pinned
    bool turn_back = false;      // an undo came too late for the user not to move first
    std::uint64_t key = 0;       // of the user
    Stage stage = Stage::kEnding;
    std::shared_ptr<UserEnd> ending;
    Clock::time_point began;
    Clock::time_point settled_at;
    Clock::time_point deadline = Clock::time_point::max();
    MoveHook::Id hook = 0;
    End end = End::kMoved;
    std::string detail;
    std::optional<UserPin> before;  // what there was, or, on the way back, is to be again
  };
  struct Pace {
    double credit = 1;
    std::size_t next = 0;  // nobody before waits
  };
  struct Request {
    MoveLog::Ref ref;
    What what = What::kDone;
  };

  void run();
  void on_news();
  static void on_tick(void* self) noexcept;
  void tick();
  void heed_requests();
  void undo(Active& active);
  std::vector<Active> take_turns();
  void set_out(std::vector<Active> starting);
  void advance(Active& active);
  void advance_hook(Active& active);
  void after_settling(Active& active);
  void end_as(Active& active, End end, std::string detail);
  void finish_some();
  void set_pins(const std::vector<Active*>& moved);
  void note_pins(const std::vector<Active*>& moved, const std::vector<PinChange>& changes);
  void note_end(const Active& active);
  void report(const Active& active) const;
  void report_order(std::uint64_t id) const;  // once all its users have moved
  [[nodiscard]] bool anything_to_do() const;
  [[nodiscard]] Active make_active(MoveLog::Ref ref) const;
  void go_back_soon(std::uint64_t order);
  std::string tell_one(MoveLog::Ref ref, What what);
  [[nodiscard]] std::unordered_set<std::string> users_of_newer(const MoveOrder& order) const;
  [[nodiscard]] bool still_as_moved(MoveLog::Ref ref) const;
  static std::uint64_t ended_of(const Active& active);  // sessions
  void look_again();

  const Surroundings around_;
  const std::shared_ptr<const Snapshot> first_;  // only a restart changes what concerns moves
  const config::Moves& config_;                  // of it

  mutable std::mutex mutex_;  // guards what follows
  MoveLog log_;
  std::map<std::uint64_t, Pace> paces_;
  std::vector<Request> requests_;
  metrics::MoveFigures figures_;
  std::condition_variable news_;
  bool stop_ = false;

  net::Loop loop_;  // with all that follows the thread's own
  std::optional<net::TimerWheel> timers_;
  std::optional<net::Wakeup> wakeup_;  // under mutex_ as well
  std::optional<net::Timer> tick_;
  std::optional<MoveHook> hook_;
  std::vector<Active> active_;
  Clock::time_point ticked_at_ = Clock::now();
  bool write_due_ = false;      // the log has changed in a way that is worth it
  Clock::time_point write_at_;  // not before
  std::thread thread_;
};

}  // namespace headgate::server
