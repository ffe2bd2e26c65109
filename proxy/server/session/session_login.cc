#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "base/printable.h"
#include "server/session/backend_proof.h"
#include "server/session/login.h"
#include "server/session/overloaded.h"
#include "server/session/session.h"
#include "server/worker.h"

// From the client's credentials to the hand-over.
namespace headgate::server {

using dialogue::LoginFailure;

using metrics::Phase;
using metrics::Stage;

void Session::after_client(ClientLeg::Status status) {
  report_handshakes();
  client_endpoint_ = login_->client.client();
  switch (status) {
    case ClientLeg::Status::kWaiting:
      if (login_->client.stage() == ClientLeg::Stage::kDialogue && phase_ == Phase::kTlsAccept) {
        enter(Phase::kClientLogin);
      }
      client_->want(login_->client.wanted());
      if (login_->exchange && !login_->client.in_exchange()) {
        give_up_exchange();
      }
      if (client_left_queue()) {
        end_abandoned();
      }
      return;
    case ClientLeg::Status::kAuthenticate:
      client_->want(login_->client.wanted());
      look_up();
      return;
    case ClientLeg::Status::kRound:
      client_->want(login_->client.wanted());
      next_round();
      return;
    case ClientLeg::Status::kClose:
      close(login_->client.close_reason(), std::string(login_->client.detail()));
      return;
  }
}

void Session::look_up() {
  begin_attempt();
  Login& login = *login_;
  login.asked_at = Login::Clock::now();
  login.credentials = login.client.take_credentials();
  user_ = login.credentials.user;
  enter(Phase::kLookUp);
  if (pass_guess_guard()) {
    consult_policy();
  }
}

void Session::begin_attempt() {
  give_up_exchange();
  login_->policy.reset();
  login_->pool_refused = false;
  ++login_->attempts;
  take_terms_in_force();
}

// An attempt to log in goes by the configuration in force when it begins; the dialogue with the
// client goes on as it began. The clients of a listener that is gone get in as before. Whether
// there was a newer configuration.
bool Session::take_terms_in_force() {
  Login& login = *login_;
  const std::shared_ptr<Generation>& newest = worker_.generation();
  if (login.generation == newest) {
    return false;
  }
  const auto listener = newest->terms->snapshot->find_listener(login.context.listener.name);
  if (!listener) {
    return false;
  }
  login.generation = newest;
  terms_ = newest->terms;
  listener_ = static_cast<std::uint32_t>(*listener);
  return true;
}

// Also for the second time, when a reload has come in between.
void Session::ask_sources() {
  worker_.users().leave(lease_);
  enter(Phase::kLookUp);
  Login& login = *login_;
  if (const auto refused = snapshot().limits->full(listener_, client_endpoint_.ip)) {
    fail_login(*refused, {});
    return;
  }
  const net::Transport& transport = client_->transport();
  login.session_id = id();
  const bool asks = login.context.listener.client_certificates.has_value();
  const auth::LoginRequest request{
      .credentials = login.credentials,
      .client = login.client.client(),
      .connected = login.client.connected(),
      .listener = login.context.listener.name,
      .session_id = login.session_id,
      .tls = transport.is_tls(),
      .tls_version = transport.tls_version(),
      .tls_cipher = transport.tls_cipher(),
      .proxied = login.client.proxied(),
      .certificate = asks ? transport.client_certificate() : nullptr,
      .unverified_certificate = asks ? transport.unverified_client_certificate() : nullptr,
      .certificate_asked = asks,
      .attempt = login.attempts,
      .server_name = transport.server_name(),
  };
  if (login.exchange) {
    login.exchange->answer(
        request, [this](auth::ExchangeAnswer answer) { on_round_answered(std::move(answer)); });
    return;
  }
  auto ticket = login.generation->chain->look_up(
      request, [this](auth::ChainResult result) { on_looked_up(result.result, result.source); });
  // The answer may have come already, and with it the end of this login or of the session.
  if (phase_ == Phase::kLookUp && login_) {
    login_->ticket = std::move(ticket);
  }
}

void Session::on_looked_up(auth::LookupResult& result, std::size_t source) {
  note_stage(Stage::kLookup, Login::Clock::now() - login_->asked_at);
  std::visit(Overloaded{
                 [&](auth::Accepted& accepted) { route(std::move(accepted.route), source); },
                 [&](auth::Known& known) { route_known(std::move(known.route), source); },
                 [&](auth::Rejected& rejected) { reject(std::move(rejected)); },
                 [&](const auth::Unavailable& unavailable) {
                   fail_login(LoginFailure::kLookupUnavailable, unavailable.why);
                 },
                 [&](auth::UnknownHere) { fail_login(LoginFailure::kWrongCredentials, {}); },
                 [&](const auth::Challenge&) {
                   fail_login(LoginFailure::kInternal, "a challenge outside of an exchange");
                 },
                 [&](auth::AskAgain again) {
                   login_->pause_for = Login::Pause::kAskAgain;
                   worker_.timers().arm(login_->pause, net::to_ms(again.after));
                 },
             },
             result);
}

void Session::route(auth::Route route, std::size_t source) {
  Login& login = *login_;
  if (route.name) {
    user_ = login.credentials.user = *route.name;
  } else if (login.credentials.user.empty()) {
    user_ = login.credentials.user = route.user;  // the token said who it is
  }
  const auto routed = snapshot().routing.route(login.credentials.user, route, source);
  if (!routed) {
    fail_login(LoginFailure::kNoBackend, routed.error());
    return;
  }
  login.route = std::move(route);
  login.source = source;
  login.pool = routed->pool;
  if (routed->by != RoutedBy::kRemembered && routed->by != RoutedBy::kInTurn) {
    login.route.trial.reset();  // a route has decided
  }
  if (outrun_by_reload() && take_terms_in_force()) {
    ask_sources();
    return;
  }
  report_factors();
  if (login.route.code_length > 0) {
    // The backend must not see the code.
    const std::string_view both = login.credentials.secret.view();
    login.credentials.secret = Secret(both.substr(0, both.size() - login.route.code_length));
  }
  start_deadline();
  enter_pool(*routed);
}

// Of all that the login does at backends.
void Session::start_deadline() {
  Login& login = *login_;
  const config::Pool& pool = snapshot().config.pools[login.pool];
  login.deadline_ms =
      worker_.loop().now_ms() + net::to_ms(login.route.login_timeout.value_or(pool.login_timeout));
}

// Begins the attempts at login.pool.
void Session::enter_pool(const Routed& routed) {
  Login& login = *login_;
  const config::Pool& pool = snapshot().config.pools[login.pool];
  if (const auto why = why_useless(pool, login.route, login.credentials)) {
    fail_login(LoginFailure::kBackendMisconfigured, *why);
    return;
  }
  login.routed = routed;
  seek_place();
}

// Also for the second time, when the user has been moved meanwhile.
void Session::seek_place() {
  Login& login = *login_;
  if (held_for_move()) {
    return;
  }
  if (const auto refused = find_place(login.routed)) {
    fail_login(*refused, limit_detail(*refused));
    return;
  }
  login.rooms_asked = 0;
  login.tried_again = false;
  login.failure = LoginFailure::kNoBackend;
  login.detail = "no backend of the pool may be used";
  next_attempt();
}

void Session::pause_over() {
  Login& login = *login_;
  switch (std::exchange(login.pause_for, Login::Pause::kNone)) {
    case Login::Pause::kNone:
      return;
    case Login::Pause::kFailureDelay:
      answer_failure();
      return;
    case Login::Pause::kRetry:
      take_turn();
      return;
    case Login::Pause::kQueue:
      waited_in_vain();
      return;
    case Login::Pause::kRoom:
      give_up_room();
      refuse_for_user_limit("no answer from all workers in time");
      return;
    case Login::Pause::kHold:
      held_for_too_long();
      return;
    case Login::Pause::kAskAgain:
      ask_sources();
      return;
    case Login::Pause::kGuessDelay:
      login.asked_at = Login::Clock::now();
      consult_policy();
      return;
    case Login::Pause::kPolicyDelay:
      login.asked_at = Login::Clock::now();
      ask_sources();
      return;
    case Login::Pause::kAttempt: {
      attempt_takes_long();
      return;
    }
  }
}

// A source's own words, delay and end of the session, where it has any.
void Session::reject(auth::Rejected rejected) {
  Login& login = *login_;
  login.refusal = std::move(rejected.text);
  login.refusal_challenge = std::move(rejected.challenge);
  login.last = rejected.last;
  if (rejected.factor) {
    worker_.metrics().factors[metrics::index(*rejected.factor)].add();
  }
  fail_login(rejected.failure, rejected.detail.empty() ? login.refusal : rejected.detail,
             rejected.delay);
}

void Session::fail_login(LoginFailure failure, std::string_view detail,
                         std::optional<std::chrono::milliseconds> own_delay) {
  Login& login = *login_;
  report_login_failed(failure, detail);
  worker_.users().leave(lease_);
  // One pool's word is enough, whatever became of the others.
  const bool wrong =
      failure == LoginFailure::kWrongCredentials || std::exchange(login.pool_refused, false);
  if (wrong) {
    count_wrong_password();
  }
  if (wrong || failure == LoginFailure::kExpired || failure == LoginFailure::kAccountDisabled) {
    report_to_policy(false, false);
  }
  login.failure = failure;
  login.exchange.reset();
  login.credentials = {};
  login.route = {};
  login.ticket.cancel();
  enter(Phase::kClientLogin);
  const auto usual = dialogue::info(failure).delayed ? snapshot().config.login.failure_delay
                                                     : std::chrono::milliseconds(0);
  const auto delay = own_delay.value_or(usual);
  if (delay.count() > 0) {
    login.pause_for = Login::Pause::kFailureDelay;
    worker_.timers().arm(login.pause, net::to_ms(delay));
    return;
  }
  // Not from here: the answer may lead to the client's next login, and so on, frame upon frame.
  login.answer_due = true;
  if (!std::exchange(queued_, true)) {
    worker_.run_again(*this);
  }
}

void Session::answer_failure() {
  Login& login = *login_;
  login.backend.reset();
  worker_.guesses().end(login.guess);
  const std::string text = std::exchange(login.refusal, {});
  const std::string challenge = std::exchange(login.refusal_challenge, {});
  after_client(
      login.client.fail({login.failure, text, std::exchange(login.last, false), challenge}));
}

// The one place where a dialogue becomes a relay. What the client sees first, what it has sent
// since, and what the backend said behind its OK go in; everything else of the login goes away.
void Session::hand_over() {
  end_turn(balance::Admission::Outcome::kIn);
  remember_pool();
  if (!establish()) {
    return;
  }
  Login& login = *login_;
  BackendLeg& leg = *login.backend;
  const auto now = Login::Clock::now();
  note_stage(Stage::kConnect, leg.logged_in_from() - login.attempted_at);
  note_stage(Stage::kBackendLogin, now - leg.logged_in_from());
  note_stage(Stage::kTotal, now - login.asked_at);
  worker_.metrics().count_login_ok();
  become_known();
  report_to_policy(true, false);
  balance::note_success(*pool_->backends[backend_index_].state);
  balance::note_address_worked(pool_->backends[backend_index_], login.endpoint);
  note_login_time(now);

  ClientLeg::HandOver over = login.client.succeed(leg.take_welcome());
  over.to_client.append(leg.unread());
  backend_ = leg.take_connection();
  client_->set_urgency(net::Urgency::kNow);
  relay_ = std::make_unique<relay::Relay>(client_->transport(), backend_->transport(),
                                          worker_.buffers(), worker_.pipes());
  relay_->expect_switch(snapshot().protocols[listener_]->switch_mark());
  if (pool_->lost_rate != 0) {
    relay_->hold_backend_end();
  }
  relay_->prepend_to_client(over.to_client);
  relay_->prepend_to_backend(over.to_backend.view());
  report_dialogue();
  login_.reset();
  enter(Phase::kRelay);
  worker_.promote(*this);
  begin_relay();
}

}  // namespace headgate::server
