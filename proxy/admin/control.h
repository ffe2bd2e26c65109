#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "admin/moves.h"
#include "base/address.h"

// What the JSON API asks of the running server.
namespace headgate::admin {

// What DNS says of a pool's backends.
struct SrvView {
  std::string name;
  std::int64_t answered = 0;          // Unix time of the last answer that was taken; 0: none
  std::string failure;                // why the last question brought none; empty: it did
  std::vector<std::string> left_out;  // targets of that answer that cannot be backends, and why
};

struct PoolView {
  std::string name;
  std::string policy;
  std::size_t backends = 0;
  std::size_t up = 0;              // and in service
  std::size_t down = 0;            // and in service
  std::size_t drained = 0;         // taken out of service, in whatever way
  std::int64_t sessions = 0;       // logged in or logging in
  std::uint32_t max_sessions = 0;  // 0: no limit
  std::size_t waiting = 0;         // logins, for their turn at a backend
  std::size_t held = 0;            // logins, until their users have moved
  // Sessions of the fullest backend by its share of them; not set: there are none to compare.
  std::optional<double> load_spread;
  double weight_away = 0;  // part of the weights that slow and slowly starting backends do not have
  std::optional<SrvView> srv;  // not set: the configuration lists the backends
};

struct PhaseCount {
  std::string_view phase;
  std::int64_t sessions = 0;
};

struct StatusView {
  std::string version;
  std::int64_t started = 0;  // Unix time
  std::int64_t uptime_s = 0;
  std::size_t workers = 0;
  bool ready = true;
  std::string not_ready;  // why
  std::string config_file;
  std::string config_hash;
  std::int64_t config_loaded = 0;  // Unix time
  bool state_is_kept = false;      // over a restart
  std::size_t users = 0;           // with sessions
  std::vector<PhaseCount> sessions;
  std::vector<PoolView> pools;
};

// What an operator has ordered, and how far it has come.
struct OrderView {
  std::string by;                      // Caller::name()
  std::int64_t since = 0;              // Unix time
  unsigned rate = 0;                   // sessions a second that are ended; 0: none is
  std::optional<std::int64_t> left_s;  // until the last session is gone, by what was seen so far
};

struct BackendView {
  std::string pool;
  std::string backend;             // "mail1.example.org:993"
  std::string_view service;        // in_service, draining, moving, disabled
  bool up = false;                 // has an address, and is not tried last
  unsigned weight = 0;             // that counts
  unsigned configured_weight = 0;  // that the configuration says
  std::int64_t sessions = 0;
  unsigned max_sessions = 0;  // 0: no limit
  std::uint64_t failures = 0;
  std::uint32_t failures_in_a_row = 0;
  bool backup = false;
  std::vector<std::string> addresses;  // that the name resolves to
  std::optional<OrderView> order;      // when it is not in service, or has another weight
};

struct SessionView {
  std::uint64_t id = 0;
  std::string user;
  std::string client;
  std::string listener;
  std::string pool;     // empty: not there yet
  std::string backend;  // likewise
  std::string_view phase;
  std::string_view state;  // of the client's dialogue, or of the relay
  std::string tls;         // empty: none
  double age_s = 0;
  double idle_s = 0;  // since the relay last moved a byte
  std::uint64_t bytes_to_backend = 0;
  std::uint64_t bytes_to_client = 0;
};

// Which sessions; what is empty does not matter. Users without regard to ASCII case.
struct SessionFilter {
  std::string user;     // in lower case
  std::string pattern;  // over the whole name, in lower case; '*': any bytes, '?': one byte
  std::optional<Network> client;
  std::optional<HostPort> backend;
  std::string pool;
  std::string listener;
  std::string phase;
  std::string state;
  std::optional<std::uint64_t> session;

  [[nodiscard]] bool empty() const {
    return user.empty() && pattern.empty() && !client && !backend && pool.empty() &&
           listener.empty() && phase.empty() && state.empty() && !session;
  }
};

struct SessionQuery {
  SessionFilter filter;
  std::size_t limit = 100;             // sessions of a page
  std::optional<std::uint64_t> after;  // the last session of the page before
};

// Sessions come in the order of their ids, so that one that lives throughout is on exactly one
// page.
struct SessionPage {
  std::vector<SessionView> sessions;
  bool more = false;
};

struct BackendChange {
  enum class What : std::uint8_t { kDrain, kMove, kDisable, kEnable, kWeight };
  What what = What::kDrain;
  std::optional<unsigned> weight;  // kWeight; none: the configuration's
  std::optional<unsigned> rate;    // kMove, kDisable; none: admin.move_rate
};

struct Changed {
  BackendView backend;
  std::string warning;  // empty: none
};

// A user who is to live at one backend of a pool.
struct PinView {
  std::string pool;
  std::string user;        // the name for the backend, in lower case
  std::string backend;     // "mail1.example.org:993"
  std::int64_t since = 0;  // Unix time
  std::string by;          // Caller::name()
};

struct PinQuery {
  std::string pool;  // with the user: the last pin of the page before; empty: from the beginning
  std::string user;
  std::size_t limit = 100;  // pins of a page
};

// In the order of pools and users.
struct PinPage {
  std::vector<PinView> pins;
  bool more = false;
};

struct Pinned {
  PinView pin;
  std::string warning;  // empty: none
};

// Which pool and backend a user gets, and why.
struct ExplanationView {
  std::string user;
  std::string backend_user;  // name that the backend login uses
  std::string source;        // "users[0], source passwd_file users.passwd"
  std::string pool;
  std::string pool_reason;
  std::string backend_reason;
  std::vector<std::string> candidates;  // at least one, best first
  std::string health;                   // what the pool's checks do; empty: there are none
  std::uint32_t sessions = 0;           // that the user has
};

// Why something is not done: the HTTP status and a line for the operator.
struct Problem {
  int status = 500;
  std::string what;
};

// Called on threads of the admin server; may wait for workers, but never keeps one.
class Control {
 public:
  virtual ~Control() = default;
  [[nodiscard]] virtual StatusView status() = 0;
  [[nodiscard]] virtual std::vector<PoolView> pools() = 0;
  [[nodiscard]] virtual std::vector<BackendView> backends() = 0;
  [[nodiscard]] virtual std::expected<SessionPage, Problem> sessions(const SessionQuery& query) = 0;
  // `by` is Caller::name() of the operator.
  virtual std::expected<Changed, Problem> change(const std::string& pool, const HostPort& backend,
                                                 const BackendChange& change,
                                                 const std::string& by) = 0;
  // Ends all sessions that the filter lets through; how many there were.
  virtual std::expected<std::size_t, Problem> kick(const SessionFilter& filter,
                                                   const std::string& by) = 0;

  [[nodiscard]] virtual PinPage pins(const PinQuery& query) = 0;
  // `user` in lower case.
  virtual std::expected<Pinned, Problem> pin(const std::string& pool, const std::string& user,
                                             const HostPort& backend, const std::string& by) = 0;
  // In all pools; how many pins there were. The text is a warning, or empty.
  virtual std::pair<std::size_t, std::string> unpin(const std::string& user) = 0;

  // A request for one user waits until the sessions have ended.
  virtual std::expected<MoveStarted, Problem> move(const MoveRequest& request,
                                                   const std::string& by) = 0;
  // Orders below the number `before`, at most `limit`.
  [[nodiscard]] virtual MovePage moves(std::uint64_t before, std::size_t limit) = 0;
  // Users of an order from `first` on, at most `limit`; `state` empty: in any.
  [[nodiscard]] virtual std::expected<MovedUserPage, Problem> moved_users(std::uint64_t move,
                                                                          const std::string& state,
                                                                          std::size_t first,
                                                                          std::size_t limit) = 0;
  virtual std::expected<MoveTold, Problem> tell_move(std::uint64_t move, MoveWord word) = 0;
  // Of the user's newest move.
  virtual std::expected<MoveTold, Problem> tell_move_of(const std::string& user, MoveWord word) = 0;

  // Where a user would log in now; the error is why there would be no login. Asks the user sources.
  [[nodiscard]] virtual std::expected<ExplanationView, std::string> explain(
      const std::string& user, const IpAddress& client) = 0;

  // Reads the configuration again: a line for each key that has changed, or one for each error, and
  // then all is as before.
  virtual std::expected<std::vector<std::string>, std::vector<std::string>> reload() = 0;
};

}  // namespace headgate::admin
