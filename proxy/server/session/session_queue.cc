#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/log.h"
#include "server/session/login.h"
#include "server/session/session.h"
#include "server/worker.h"

// A login's turn at its backend, which gets so many at once. A login that waits stays with its
// backend: to go elsewhere would split or move the user for nothing but patience.
namespace headgate::server {

using dialogue::LoginFailure;

// At once, or when the login is called.
void Session::take_turn() {
  Login& login = *login_;
  const balance::AdmissionRules& rules = pool_->admission;
  if (!rules.on) {
    start_attempt(Connections::kAny);
    return;
  }
  switch (worker_.login_queue().enter(login.place, pool_->backends[backend_index_].state, rules)) {
    case LoginQueue::Answer::kBegin:
      start_attempt(Connections::kAny);
      return;
    case LoginQueue::Answer::kFull:
      waited_in_vain();
      return;
    case LoginQueue::Answer::kWait:
      break;
  }
  enter(metrics::Phase::kQueue);
  look_for_client();
  const std::uint64_t now = worker_.loop().now_ms();
  const std::uint64_t patience =
      net::to_ms(snapshot().config.pools[login.pool].admission.queue_timeout);
  login.pause_for = Login::Pause::kQueue;
  worker_.timers().arm(login.pause,
                       std::min(patience, login.deadline_ms - std::min(login.deadline_ms, now)));
  if (worker_.login_queue().begins_to_wait(login.place)) {
    const std::string backend = backend_name();
    log::info("logins wait for their turn",
              {{"pool", pool_->pool}, {"backend", backend}, {"detail", queue_detail()}});
  }
}

// A client that has gone before its login had to wait is not waited for either. At the end of the
// turn, since the session's end is not for here.
void Session::look_for_client() {
  if (login_->client.left() && !std::exchange(queued_, true)) {
    worker_.run_again(*this);
  }
}

bool Session::client_left_queue() const {
  return login_ && phase_ == metrics::Phase::kQueue && login_->client.left();
}

// A login that waits takes room from others that wait, and a turn would be wasted on it.
void Session::end_abandoned() {
  const auto waited_for = login_->pause_for == Login::Pause::kHold ? metrics::WaitedFor::kMove
                                                                   : metrics::WaitedFor::kTurn;
  worker_.metrics().logins_abandoned[metrics::index(waited_for)].add();
  close(dialogue::CloseReason::kClientClosed, "while its login waited");
}

void Session::on_call(void* self, LoginQueue::Call call) noexcept {
  auto& session = *static_cast<Session*>(self);
  session.login_->pause.cancel();
  session.login_->call = call;
  if (!std::exchange(session.queued_, true)) {
    session.worker_.run_again(session);
  }
}

void Session::answer_call() {
  Login& login = *login_;
  const LoginQueue::Call call = *std::exchange(login.call, std::nullopt);
  if (call == LoginQueue::Call::kTurn) {
    start_attempt(Connections::kAny);
    return;
  }
  const balance::Backend& backend = pool_->backends[backend_index_];
  const auto place = worker_.users().find(lease_.user);
  if (place && place->established != 0 &&
      backend.state->failures_in_a_row.load(std::memory_order_relaxed) <
          balance::kFailuresToLeave) {
    // To go elsewhere would end the user's sessions there, which one failed login is no reason for.
    worker_.login_queue().begin(login.place, backend.state, pool_->admission);
    start_attempt(Connections::kAny);
    return;
  }
  login.failure = LoginFailure::kBackendBusy;
  login.detail = "the backend failed while the login waited for it";
  backend.state->sessions.fetch_sub(1, std::memory_order_relaxed);
  pool_ = nullptr;
  next_attempt();
}

// Too many wait already, or this login has waited for too long.
void Session::waited_in_vain() {
  const std::string detail = queue_detail();
  login_->place.give_up();
  pool_->backends[backend_index_].state->sessions.fetch_sub(1, std::memory_order_relaxed);
  pool_ = nullptr;
  fail_login(LoginFailure::kBackendBusy, detail);
}

void Session::end_turn(balance::Admission::Outcome outcome) {
  const auto took = Login::Clock::now() - login_->attempted_at;
  const auto us = std::chrono::duration_cast<metrics::Microseconds>(took).count();
  login_->place.end(outcome, static_cast<std::uint64_t>(us));
}

std::string Session::queue_detail() const {
  const balance::Admission& admission = pool_->backends[backend_index_].state->admission;
  return fmt::format("{}: {} logins wait, {} of at most {} at once are under way", backend_name(),
                     admission.waiting(), admission.under_way(), admission.limit(pool_->admission));
}

}  // namespace headgate::server
