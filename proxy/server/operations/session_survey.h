#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/control.h"
#include "balance/backend_set.h"
#include "base/address.h"
#include "base/intrusive_list.h"
#include "dialogue/close_reason.h"
#include "metrics/labels.h"

namespace headgate::server {

class Session;
class Worker;

// How a session looks to an operator; borrowed from the session for as long as it is not touched.
struct SessionGlance {
  std::uint64_t id = 0;
  std::string_view user;
  const Endpoint& client;
  std::string_view listener;
  std::string_view pool;              // empty: not there yet
  const HostPort* backend = nullptr;  // likewise
  metrics::Phase phase = metrics::Phase::kTlsAccept;
  std::string_view state;
  std::string_view tls;
  std::uint64_t started_ms = 0;  // by the loops' clock, as the others
  std::uint64_t moved_ms = 0;    // 0: never yet
  std::uint64_t now_ms = 0;
  std::uint64_t bytes_to_backend = 0;
  std::uint64_t bytes_to_client = 0;
};

// What the admin room cannot: it knows neither protocols nor the relay, which name the states.
std::expected<void, admin::Problem> check(const admin::SessionFilter& filter);
bool matches(const admin::SessionFilter& filter, const SessionGlance& session);
// '*' stands for any bytes and '?' for one; `text` without regard to ASCII case, `pattern` in lower
// case. Takes at most as many steps as both lengths multiplied.
bool matches(std::string_view pattern, std::string_view text);

// A question about the sessions of all workers, or an order to end some of them. Each worker goes
// through its own, a few a turn, and hands in what it has found; one thread waits for all of them.
class SessionSurvey {
 public:
  struct Order {
    admin::SessionFilter filter;
    // Listing: the `rows` sessions with the lowest ids above `after`.
    std::size_t rows = 0;
    std::optional<std::uint64_t> after;
    // Ending: with this reason, at most so many, of those accepted before, and so on.
    std::optional<dialogue::CloseReason> reason;
    std::string detail;
    std::int64_t at_most = std::numeric_limits<std::int64_t>::max();
    std::uint64_t before_ms = std::numeric_limits<std::uint64_t>::max();
    // Ending later: those at this backend, at a moment of their own within this time.
    std::shared_ptr<const balance::BackendState> leaving;
    std::chrono::milliseconds leave_over{};
    // Collecting: the users that the sessions have, up to so many on each worker.
    std::size_t users = 0;
  };
  using Rows = std::map<std::uint64_t, admin::SessionView>;
  using Users = std::map<std::uint64_t, std::string>;  // key in the user table, name in lower case
  struct Outcome {
    Rows rows;
    Users users;
    std::size_t ended = 0;
    bool complete = false;  // every worker has answered in time, and gone through all its sessions
  };

  // Asks the workers and waits for them; not on a worker's thread.
  static Outcome run(Order order, const std::vector<std::unique_ptr<Worker>>& workers,
                     std::chrono::milliseconds limit);

  // Asks them, and waits for nothing.
  static void begin(Order order, const std::vector<std::unique_ptr<Worker>>& workers);

  explicit SessionSurvey(Order order) : order_(std::move(order)), left_(order_.at_most) {}
  [[nodiscard]] const Order& order() const { return order_; }
  // One more session may be ended.
  bool take_one() { return left_.fetch_sub(1, std::memory_order_relaxed) > 0; }
  void expect_one_more();
  void hand_in(Rows rows, Users users, std::size_t ended, bool complete);

 private:
  const Order order_;
  std::atomic<std::int64_t> left_;
  std::mutex mutex_;
  std::condition_variable news_;
  std::size_t awaited_ = 0;
  std::size_t incomplete_ = 0;
  std::vector<Rows> rows_;    // of the workers; put together by who waits for them
  std::vector<Users> users_;  // likewise
  std::size_t ended_ = 0;
};

// A worker's part of a survey. Hands in when it goes, whatever has become of it.
class SurveyPart {
 public:
  explicit SurveyPart(std::shared_ptr<SessionSurvey> survey);
  ~SurveyPart();
  SurveyPart(const SurveyPart&) = delete;
  SurveyPart& operator=(const SurveyPart&) = delete;

  enum class Visit : std::uint8_t { kSeen, kEnded, kEnough };
  Visit visit(Session& session);
  void finish() { complete_ = true; }

 private:
  std::shared_ptr<SessionSurvey> survey_;
  SessionSurvey::Rows rows_;
  SessionSurvey::Users users_;
  std::size_t ended_ = 0;
  bool complete_ = false;
};

// Takes the parts of surveys through a worker's sessions, one part after the other and a few
// sessions a turn, so that no turn takes long however many sessions there are.
class SurveyWalk {
 public:
  SurveyWalk(IntrusiveList<Session>& waiting, IntrusiveList<Session>& relaying)
      : waiting_(waiting), relaying_(relaying) {}

  void begin(std::unique_ptr<SurveyPart> part);
  [[nodiscard]] bool busy() const { return !parts_.empty(); }
  // A turn's share.
  void turn();
  // The session is about to leave the list that it is in.
  void leaving(const Session& session) {
    if (next_ == &session) {
      step();
    }
  }
  void stop() { parts_.clear(); }

 private:
  void enter(IntrusiveList<Session>& list);
  void step();
  void end_part(bool complete);

  IntrusiveList<Session>& waiting_;
  IntrusiveList<Session>& relaying_;
  std::deque<std::unique_ptr<SurveyPart>> parts_;  // the first is under way
  IntrusiveList<Session>* list_ = nullptr;         // that it is in
  Session* next_ = nullptr;                        // that it comes to; null: the list's end
};

}  // namespace headgate::server
