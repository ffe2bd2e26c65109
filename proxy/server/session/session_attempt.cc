#include <algorithm>
#include <string>
#include <utility>

#include "base/printable.h"
#include "server/session/backend_proof.h"
#include "server/session/login.h"
#include "server/session/session.h"
#include "server/worker.h"

// A login at the backends of its pool: one attempt after the other, until one lets the user in.
namespace headgate::server {

using dialogue::LoginFailure;
using metrics::Phase;

namespace {

constexpr std::uint64_t kRoundPauseMs = 1000;

// Whether a backend that failed so may be back in a moment. What it judged in a reply of its own
// stays: proxies in a row would multiply their attempts.
bool worth_another_round(LoginFailure failure) {
  return failure == LoginFailure::kConnectRefused || failure == LoginFailure::kConnectTimeout ||
         failure == LoginFailure::kConnectFailed || failure == LoginFailure::kBackendGreeting ||
         failure == LoginFailure::kBackendUnavailable || failure == LoginFailure::kBackendBusy;
}

}  // namespace

void Session::next_attempt() {
  Login& login = *login_;
  const std::uint64_t now = worker_.loop().now_ms();
  auto attempt = now < login.deadline_ms ? login.search.next() : std::nullopt;
  if (!attempt || (attempt->new_round && !worth_another_round(login.failure))) {
    fail_login(login.failure, login.detail);
    return;
  }
  attempt = follow_user(*attempt);
  pool_ = login.search.set();
  backend_index_ = attempt->backend;
  const balance::Backend& backend = pool_->backends[backend_index_];
  backend.state->sessions.fetch_add(1, std::memory_order_relaxed);
  login.endpoint = attempt->endpoint;
  login.trial = balance::begin_trial(*backend.state, static_cast<std::int64_t>(now),
                                     snapshot().config.pools[login.pool].connect_timeout.count());
  if (attempt->new_round) {
    login.pause_for = Login::Pause::kRetry;
    worker_.timers().arm(login.pause, std::min(kRoundPauseMs, login.deadline_ms - now));
    return;
  }
  take_turn();
}

dialogue::BackendLoginRequest Session::backend_request() {
  const Login& login = *login_;
  const config::Pool& pool = snapshot().config.pools[login.pool];
  dialogue::BackendLoginRequest request;
  prove(pool, login.route, login.credentials, request);
  request.forward_client = pool.forward_client == config::ForwardClient::kId;
  request.client = {.session_id = id(),
                    .client = login.client.client(),
                    .connected = login.client.connected(),
                    .tls = client_->transport().is_tls(),
                    .server_name = std::string(client_->transport().server_name()),
                    .id = login.client.dialogue()->client_id(),
                    .forward = login.route.forward};
  return request;
}

void Session::start_attempt(Connections which) {
  Login& login = *login_;
  const config::Pool& pool = snapshot().config.pools[login.pool];
  const balance::Backend& backend = pool_->backends[backend_index_];
  login.attempted_at = Login::Clock::now();
  login.pause_for = Login::Pause::kAttempt;
  const std::uint64_t left =
      login.deadline_ms - std::min(login.deadline_ms, worker_.loop().now_ms());
  worker_.timers().arm(login.pause, std::min(net::to_ms(pool.connect_timeout), left));
  const TlsAtBackend tls = tls_at_backend(pool, login.route);
  auto ready =
      which == Connections::kAny && tls.mode == pool.tls
          ? worker_.ready_connections().take(*login.generation, login.pool, backend, login.endpoint)
          : nullptr;
  if (ready) {
    enter(Phase::kBackendLogin);
    login.backend = std::move(ready);
    after_backend(login.backend->log_in(backend_request(), this, &Session::on_backend_ready));
    return;
  }
  report_any_certificate(tls.verified);
  enter(Phase::kConnect);
  login.backend = worker_.new_backend_leg(*login.generation, login.pool, backend, login.endpoint,
                                          tls, this, &Session::on_backend_ready);
  after_backend(login.backend->start(backend_request()));
}

void Session::after_backend(BackendLeg::Status status) {
  BackendLeg& leg = *login_->backend;
  if (leg.take_handshake_done()) {
    worker_.metrics().count_handshake(metrics::Side::kBackend, leg.tls_version(),
                                      leg.handshake_ok(), leg.tls_resumed());
  }
  switch (status) {
    case BackendLeg::Status::kWaiting:
      if (leg.stage() == BackendLeg::Stage::kTls) {
        enter(Phase::kBackendTls);
      } else if (leg.stage() == BackendLeg::Stage::kDialogue) {
        enter(Phase::kBackendLogin);
      }
      return;
    case BackendLeg::Status::kReady:  // only without a request
      return;
    case BackendLeg::Status::kLoggedIn:
      hand_over();
      return;
    case BackendLeg::Status::kFailed:
      attempt_failed();
      return;
  }
}

void Session::attempt_failed() {
  Login& login = *login_;
  login.pause.cancel();
  if (login.backend->went_stale()) {
    worker_.metrics().count(metrics::ReadyConnection::kStale);
    start_attempt(Connections::kNew);
    return;
  }
  const config::Pool& pool = snapshot().config.pools[login.pool];
  login.failure = login.backend->failure();
  login.detail = without(login.backend->detail(), login.credentials.secret.view());
  if (login.route.password) {
    login.detail = without(std::move(login.detail), login.route.password->view());
  }
  if (pool.master) {
    login.detail = without(std::move(login.detail), pool.master->password.view());
  }
  login.detail = without(std::move(login.detail), pool.secret.view());
  if (login.failure == LoginFailure::kBackendTls && refuses_any_certificate(pool, login.route)) {
    login.detail += "; the user source would take any certificate, which pool " + pool.name +
                    " does not permit (allow_any_cert)";
  }
  const dialogue::FailureInfo& info = dialogue::info(login.failure);
  // Dovecot breaks off the logins under way when it reloads. Whose sessions are there cannot go
  // elsewhere, so one more try is all that can be done for that user.
  if (login.failure == LoginFailure::kBackendProtocol && keeps_user(login.failure) &&
      !std::exchange(login.tried_again, true)) {
    report_attempt_failed();
    start_attempt(Connections::kNew);
    return;
  }
  if (info.retry_elsewhere && !keeps_user(login.failure) && try_next_address()) {
    return;
  }
  if (login.failure == LoginFailure::kBackendTimeout) {
    note_login_time(Login::Clock::now());
  }
  balance::BackendState& state = *pool_->backends[backend_index_].state;
  state.sessions.fetch_sub(1, std::memory_order_relaxed);
  if (dialogue::blames_backend(info)) {
    balance::note_failure(state, static_cast<std::int64_t>(worker_.loop().now_ms()),
                          pool.retry_after.count(), worker_.random(), login.trial);
  } else if (login.trial && login.failure != LoginFailure::kBackendTimeout) {
    balance::note_success(state);  // it has answered
  }
  end_turn(dialogue::blames_backend(info) || login.failure == LoginFailure::kBackendTimeout
               ? balance::Admission::Outcome::kFailed
               : balance::Admission::Outcome::kRefused);
  if (!info.retry_elsewhere || keeps_user(login.failure)) {
    pool_ = nullptr;
    if (!ask_next_pool()) {
      fail_login(info.failure, login.detail);
    }
    return;
  }
  report_attempt_failed();
  pool_ = nullptr;
  next_attempt();
}

// One dead address says nothing about the backend while it has others: the login goes on there,
// in its place. False: this round has had all of them.
bool Session::try_next_address() {
  Login& login = *login_;
  balance::note_address_failed(pool_->backends[backend_index_], login.endpoint);
  const auto other =
      worker_.loop().now_ms() < login.deadline_ms ? login.search.next_address() : std::nullopt;
  if (!other) {
    return false;
  }
  report_attempt_failed();
  login.endpoint = *other;
  start_attempt(Connections::kAny);
  return true;
}

// For the health monitor, which finds backends that are slow.
void Session::note_login_time(Clock::time_point end) {
  if (snapshot().config.pools[login_->pool].health) {
    const auto us = std::chrono::duration_cast<metrics::Microseconds>(end - login_->attempted_at);
    pool_->backends[backend_index_].state->login_times.add(static_cast<std::uint64_t>(us.count()));
  }
}

// From here on only the login as a whole is timed, for a backend that has shown that it is alive:
// as long as health checks do not say that it no longer is.
void Session::attempt_takes_long() {
  Login& login = *login_;
  const std::uint64_t now = worker_.loop().now_ms();
  const bool out = balance::is_taken_out(*backend_state());
  if (login.backend->alive() && now < login.deadline_ms && !out) {
    const config::Pool& pool = snapshot().config.pools[login.pool];
    login.pause_for = Login::Pause::kAttempt;
    worker_.timers().arm(login.pause,
                         std::min(net::to_ms(pool.connect_timeout), login.deadline_ms - now));
    return;
  }
  login.backend->time_out(out && now < login.deadline_ms);
  attempt_failed();
}

}  // namespace headgate::server
