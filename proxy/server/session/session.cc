#include "server/session/session.h"

#include <fmt/format.h>

#include <utility>

#include "server/session/login.h"
#include "server/worker.h"

namespace headgate::server {
namespace {

constexpr unsigned kAnything = net::kReadable | net::kWritable | net::kHangup;

}  // namespace

using dialogue::CloseReason;

Session::Session(Worker& worker, std::size_t listener, net::Accepted accepted)
    : worker_(worker),
      terms_(worker.generation()->terms),
      id_(worker.random()),
      listener_(static_cast<std::uint32_t>(listener)),
      started_ms_(worker.loop().now_ms()),
      deadline_(this, &Session::on_deadline),
      client_endpoint_(accepted.peer) {
  client_ = Connection::open(worker.loop(), worker.scratch(), std::move(accepted.fd), this,
                             &Session::on_client_ready,
                             worker.crowded() ? net::Urgency::kCanWait : net::Urgency::kSoon);
  login_ = std::make_unique<Login>(
      client_->transport(),
      ClientLegContext{terms_, snapshot().config.listeners[listener],
                       *snapshot().protocols[listener], terms_->server_tls[listener].get(),
                       accepted.peer, accepted.local},
      worker.generation(), worker.login_queue(), worker.held_logins(), this,
      &Session::on_pause_over, &Session::on_call, &Session::on_release);
  listener_metrics().enter(phase_);
}

Session::~Session() = default;

void Session::start() {
  const config::Config& config = snapshot().config;
  const config::Listener& listener = config.listeners[listener_];
  worker_.timers().arm(deadline_, listener.proxy_protocol
                                      ? net::to_ms(listener.proxy_protocol->timeout)
                                      : net::to_ms(config.login.timeout));
  after_client(login_->client.on_ready(kAnything));
}

std::string Session::id() const {
  return fmt::format("{:016x}", id_);
}

void Session::on_client_ready(void* self, unsigned mask) noexcept {
  auto& session = *static_cast<Session*>(self);
  if (session.relay_) {
    session.run_relay(mask, 0);
  } else {
    session.after_client(session.login_->client.on_ready(mask));
  }
}

void Session::on_backend_ready(void* self, unsigned mask) noexcept {
  auto& session = *static_cast<Session*>(self);
  if (session.relay_) {
    session.run_relay(0, mask);
  } else {
    session.after_backend(session.login_->backend->on_ready());
  }
}

void Session::on_deadline(void* self) noexcept {
  auto& session = *static_cast<Session*>(self);
  if (session.relay_) {
    session.relay_deadline();
    return;
  }
  if (session.login_->client.stage() == ClientLeg::Stage::kProxyHeader) {
    session.close(CloseReason::kProxyHeader, "no complete header in time");
    return;
  }
  const config::Config& config = session.snapshot().config;
  const std::uint64_t end = session.started_ms_ + net::to_ms(config.login.timeout);
  const std::uint64_t now = session.worker_.loop().now_ms();
  if (now < end) {  // that was the PROXY header's deadline
    session.worker_.timers().arm(session.deadline_, end - now);
    return;
  }
  session.worker_.metrics().count_limit(dialogue::Limit::kTime);
  session.close(CloseReason::kLoginTimeout);
}

void Session::on_pause_over(void* self) noexcept {
  static_cast<Session*>(self)->pause_over();
}

void Session::resume() {
  queued_ = false;
  if (closed_) {
    return;
  }
  if (relay_) {
    run_relay(0, 0);
  } else if (client_left_queue()) {
    end_abandoned();
  } else if (login_->call) {
    answer_call();
  } else if (std::exchange(login_->released, false)) {
    go_on_after_hold();
  } else if (std::exchange(login_->answer_due, false)) {
    if (login_->challenge) {
      send_challenge();
    } else {
      answer_failure();
    }
  }
}

void Session::close(CloseReason reason, std::string_view detail) {
  if (closed_) {
    return;
  }
  closed_ = true;
  deadline_.cancel();
  if (login_) {
    login_->pause.cancel();
    give_up_policy();
    give_up_room();
    login_->client.farewell(reason);
    worker_.guesses().end(login_->guess);
  }
  report_end(reason, detail, relay_ ? say_farewell(reason) : std::nullopt);
  worker_.users().leave(lease_);
  snapshot().limits->give_back(share_);
  if (pool_) {
    pool_->backends[backend_index_].state->sessions.fetch_sub(1, std::memory_order_relaxed);
  }
  listener_metrics().leave(phase_);
  worker_.metrics().bulk_sessions.subtract(bulk_ ? 1 : 0);
  worker_.metrics().lost_sessions.subtract(limit_ == Limit::kLost ? 1 : 0);
  const bool ended_by_itself =
      relay_ && relay_->first_end() != relay::End::kNot && limit_ != Limit::kLost;
  const bool nobody_there =
      reason == CloseReason::kClientReset || reason == CloseReason::kClientTlsFailed;
  relay_.reset();
  login_.reset();
  if (!ended_by_itself && !nobody_there) {
    Connection::linger(std::move(client_), worker_.timers());
    if (backend_) {
      Connection::linger(std::move(backend_), worker_.timers());
    }
  }
  client_.reset();
  backend_.reset();
  worker_.bury(*this);
}

}  // namespace headgate::server
