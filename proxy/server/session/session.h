#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "auth/exchange.h"
#include "auth/user_source.h"
#include "balance/user_table.h"
#include "base/address.h"
#include "base/intrusive_list.h"
#include "dialogue/close_reason.h"
#include "dialogue/failure.h"
#include "metrics/labels.h"
#include "net/socket.h"
#include "net/timer_wheel.h"
#include "relay/relay.h"
#include "server/generation.h"
#include "server/operations/session_survey.h"
#include "server/session/backend_leg.h"
#include "server/session/backend_search.h"
#include "server/session/client_leg.h"
#include "server/session/connection.h"
#include "server/session/login_queue.h"
#include "server/session/routing.h"
#include "server/session/session_limits.h"
#include "sources/policy_client.h"

namespace headgate::server {

class Worker;
struct Login;

// One client from accept to close, and the one place that decides what comes next:
//
//   tls_accept → client_login → look_up → queue → connect → backend_tls → backend_login → relay
//   → closed
//
// session.cc has the callbacks and the close, session_login.cc the way from the client's
// credentials to the hand-over, session_attempt.cc its part at the backends, session_relay.cc what
// comes after, session_report.cc log lines and metrics. Callbacks are the outermost frames: only
// they and close() itself end a session, and no method touches the session after a call that may
// have closed it without asking closed() first.
class Session final : public ListNode {
 public:
  Session(Worker& worker, std::size_t listener, net::Accepted accepted);
  ~Session();

  void start();
  // At the end of a turn that run_again() was called in.
  void resume();
  // The one way out: says farewell where that is due, reports, gives everything back. Once; later
  // calls do nothing.
  void close(dialogue::CloseReason reason, std::string_view detail = {});

  [[nodiscard]] bool closed() const { return closed_; }
  [[nodiscard]] bool logged_in() const { return phase_ == metrics::Phase::kRelay; }
  [[nodiscard]] std::uint64_t started_ms() const { return started_ms_; }
  [[nodiscard]] std::uint64_t number() const { return id_; }
  [[nodiscard]] std::string id() const;  // 16 hexadecimal digits
  [[nodiscard]] const balance::UserLease& lease() const { return lease_; }
  [[nodiscard]] SessionGlance glance() const;
  // Of a session that is logged in: whose state it is.
  [[nodiscard]] const balance::BackendState* backend_state() const;
  // The same: ends at a random moment within that time if its backend is still taken out then, so
  // that the clients of a backend do not all come back in one second.
  void leave_within(std::chrono::milliseconds time);
  // When it last moved a byte, or began; by the loop's clock.
  [[nodiscard]] std::uint64_t last_moved_ms() const;
  // Of a login that has asked for room: a session of the user has ended, or none could.
  void on_room(bool made);
  // Before login: the user with this key is being moved, and is to be held on this worker.
  void step_back(std::uint64_t user);

 private:
  using Clock = std::chrono::steady_clock;
  // Why the deadline of a relaying session is armed.
  enum class Limit : std::uint8_t { kIdle, kStall, kHalfClose, kLeave, kLost };

  static void on_client_ready(void* self, unsigned mask) noexcept;
  static void on_backend_ready(void* self, unsigned mask) noexcept;
  static void on_deadline(void* self) noexcept;
  static void on_pause_over(void* self) noexcept;
  static void on_call(void* self, LoginQueue::Call call) noexcept;
  static void on_release(void* self) noexcept;

  [[nodiscard]] const Snapshot& snapshot() const { return *terms_->snapshot; }
  [[nodiscard]] metrics::ListenerMetrics& listener_metrics() const {
    return *terms_->listeners[listener_];
  }

  // session_login.cc
  void after_client(ClientLeg::Status status);
  void look_up();
  void begin_attempt();
  bool take_terms_in_force();
  void ask_sources();
  void on_looked_up(auth::LookupResult& result, std::size_t source);
  void route(auth::Route route, std::size_t source);
  void enter_pool(const Routed& routed);
  void seek_place();
  void start_deadline();
  void pause_over();
  void reject(auth::Rejected rejected);
  // `own_delay`: before the reply, instead of the usual one.
  void fail_login(dialogue::LoginFailure failure, std::string_view detail,
                  std::optional<std::chrono::milliseconds> own_delay = std::nullopt);
  void answer_failure();
  void hand_over();

  // session_attempt.cc
  void next_attempt();
  // Whether an attempt may use a connection that was kept ready.
  enum class Connections : std::uint8_t { kAny, kNew };
  void start_attempt(Connections which);
  dialogue::BackendLoginRequest backend_request();
  void after_backend(BackendLeg::Status status);
  void attempt_failed();
  bool try_next_address();
  void attempt_takes_long();
  void note_login_time(Clock::time_point end);

  // session_exchange.cc
  void next_round();
  void on_round_answered(auth::ExchangeAnswer answer);
  void send_challenge();
  void route_known(auth::Route known, std::size_t source);
  void give_up_exchange();
  [[nodiscard]] net::ChannelBindings channel_bindings() const;

  // session_trial.cc
  bool ask_next_pool();
  void remember_pool();

  // session_guess.cc
  bool pass_guess_guard();
  void count_wrong_password();
  void become_known();

  // session_policy.cc
  void begin_policy();
  void consult_policy();
  void on_policy(std::expected<sources::PolicyVerdict, std::string> verdict);
  void report_to_policy(bool success, bool refused_by_policy);
  void give_up_policy();

  // session_place.cc
  [[nodiscard]] bool outrun_by_reload() const;
  [[nodiscard]] bool outrun_by_new_set() const;
  [[nodiscard]] std::uint32_t most_sessions_of_user() const;
  [[nodiscard]] std::string limit_detail(dialogue::LoginFailure failure) const;
  std::optional<dialogue::LoginFailure> find_place(const Routed& routed);
  BackendSearch::Attempt follow_user(BackendSearch::Attempt attempt);
  [[nodiscard]] bool keeps_user(dialogue::LoginFailure failure) const;
  bool establish();
  void give_up_backend();
  void end_left_behind();

  // session_queue.cc
  void take_turn();
  void answer_call();
  void waited_in_vain();
  void end_turn(balance::Admission::Outcome outcome);
  [[nodiscard]] std::string queue_detail() const;
  void look_for_client();
  [[nodiscard]] bool client_left_queue() const;
  void end_abandoned();

  // session_hold.cc
  bool held_for_move();
  void go_on_after_hold();
  void held_for_too_long();

  // session_room.cc
  bool ask_for_room();
  void give_up_room();
  void refuse_for_user_limit(std::string_view detail);

  // session_relay.cc
  void begin_relay();
  void run_relay(unsigned client_mask, unsigned backend_mask);
  void note_bulk(std::uint64_t moved);
  void watch_limits();
  [[nodiscard]] std::uint64_t limit_ms() const;
  void relay_deadline();
  bool outlive_backend();
  void hear_without_backend();
  void end_without_backend();
  // Why no line of ours can follow what the client got; none: it can.
  [[nodiscard]] std::optional<metrics::Farewell> farewell_problem() const;
  // None: the session ends otherwise.
  std::optional<metrics::Farewell> say_farewell(dialogue::CloseReason reason);

  // session_report.cc
  void enter(metrics::Phase phase);
  void report_handshakes();
  void report_dialogue();
  void report_client_certificate();
  void report_any_certificate(bool verified);
  void report_attempt_failed();
  [[nodiscard]] std::string backend_name() const;
  void report_factors();
  void report_login_failed(dialogue::LoginFailure failure, std::string_view detail);
  void report_end(dialogue::CloseReason reason, std::string_view detail,
                  std::optional<metrics::Farewell> farewell);
  std::uint64_t count_relayed();  // bytes moved since the last call
  void note_stage(metrics::Stage stage, Clock::duration duration);

  Worker& worker_;
  // Those of the accept, then those of the last attempt to log in.
  std::shared_ptr<const Terms> terms_;
  const std::uint64_t id_;
  metrics::Phase phase_ = metrics::Phase::kTlsAccept;
  Limit limit_ = Limit::kIdle;
  bool closed_ = false;
  bool queued_ = false;     // run_again() was called
  bool bulk_ = false;       // moves much at a time, see note_bulk()
  std::uint32_t listener_;  // index under terms_
  const std::uint64_t started_ms_;
  std::uint64_t stalled_at_ = 0;  // Relay::stalled_bytes() when the stall limit was armed
  std::uint64_t moved_ms_ = 0;    // when the relay last moved a byte, by the loop's clock

  Connection::Ptr client_;
  Connection::Ptr backend_;
  std::unique_ptr<Login> login_;         // until the hand-over
  std::unique_ptr<relay::Relay> relay_;  // after it
  net::Timer deadline_;                  // before login: the whole of it; then limit_

  // For the line at the end.
  Endpoint client_endpoint_;
  std::string user_;
  SessionLimits::Share share_;                       // from the hand-over on
  balance::UserLease lease_;                         // from the routing on
  std::shared_ptr<const balance::BackendSet> pool_;  // the pool that took the session
  std::uint32_t backend_index_ = 0;
  std::array<std::uint32_t, metrics::kStageNames.size()> stage_us_{};
  std::uint64_t counted_to_backend_ = 0;  // already in the metrics
  std::uint64_t counted_to_client_ = 0;
};

}  // namespace headgate::server
