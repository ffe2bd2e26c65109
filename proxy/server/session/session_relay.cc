#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "server/session/session.h"
#include "server/worker.h"

// An established session: bytes, limits, the end.
namespace headgate::server {
namespace {

// Bytes in one run from which on a session is bulk, and below which it is not any more.
constexpr std::uint64_t kBulk = 96 * 1024;
constexpr std::uint64_t kSmall = 4 * 1024;

dialogue::CloseReason reason_of(relay::End end) {
  switch (end) {
    case relay::End::kNot:
      return dialogue::CloseReason::kInternal;
    case relay::End::kClientClosed:
      return dialogue::CloseReason::kClientClosed;
    case relay::End::kClientFailed:
      return dialogue::CloseReason::kClientReset;
    case relay::End::kBackendClosed:
      return dialogue::CloseReason::kBackendClosed;
    case relay::End::kBackendFailed:
      return dialogue::CloseReason::kBackendReset;
  }
  return dialogue::CloseReason::kInternal;
}

}  // namespace

void Session::begin_relay() {
  for (const auto& [side, connection] : {std::pair{metrics::Side::kClient, client_.get()},
                                         std::pair{metrics::Side::kBackend, backend_.get()}}) {
    if (connection->transport().is_tls()) {
      worker_.metrics().count_tls_relayed(side, connection->transport().take_over_records());
    }
  }
  moved_ms_ = worker_.loop().now_ms();
  limit_ = Limit::kIdle;
  worker_.timers().arm(deadline_, net::to_ms(snapshot().config.relay.idle_timeout));
  // What waits in the kernel the poll tells of in a moment; mostly nothing does.
  run_relay(client_->transport().read_pending() ? net::kReadable : 0, 0);
}

void Session::run_relay(unsigned client_mask, unsigned backend_mask) {
  if (limit_ == Limit::kLost) {
    hear_without_backend();
    return;
  }
  relay::Status status = relay_->run(client_mask, backend_mask);
  const std::uint64_t moved = count_relayed();
  if (status.backend_ended) {
    if (outlive_backend()) {
      return;
    }
    relay_->pass_backend_end();
    status = relay_->run(0, 0);
  }
  if (status.end != relay::End::kNot) {
    close(reason_of(status.end));
    return;
  }
  note_bulk(moved);
  client_->want(status.interest.client);
  backend_->want(status.interest.backend);
  if (status.again && !std::exchange(queued_, true)) {
    worker_.run_again(*this);
  }
  watch_limits();
}

// Who moves much at a time does not feel it when he waits for those who move little; they would, by
// a third of a millisecond for each of him.
void Session::note_bulk(std::uint64_t moved) {
  const bool bulk = moved >= (bulk_ ? kSmall : kBulk);
  if (bulk != bulk_) {
    bulk_ = bulk;
    worker_.metrics().bulk_sessions.add(bulk ? 1 : -1);
    const net::Urgency urgency = bulk ? net::Urgency::kCanWait : net::Urgency::kNow;
    client_->set_urgency(urgency);
    backend_->set_urgency(urgency);
  }
}

// The deadline is armed anew only when another limit applies; a busy session does not touch the
// timer wheel.
void Session::watch_limits() {
  const Limit limit = relay_->half_closed() ? Limit::kHalfClose
                      : relay_->stalled()   ? Limit::kStall
                                            : Limit::kIdle;
  if (limit == limit_ || limit_ == Limit::kLeave) {
    return;
  }
  limit_ = limit;
  stalled_at_ = relay_->stalled_bytes();
  worker_.timers().arm(deadline_, limit_ms());
}

std::uint64_t Session::limit_ms() const {
  const config::Relay& relay = snapshot().config.relay;
  switch (limit_) {
    case Limit::kHalfClose:
      return net::to_ms(relay.half_close_timeout);
    case Limit::kStall:
      return net::to_ms(relay.stall_timeout);
    case Limit::kIdle:
    case Limit::kLeave:
    case Limit::kLost:
      break;
  }
  const bool waits =
      snapshot().protocols[listener_]->waits_for_news(relay_->tail_to_backend().bytes);
  return net::to_ms(waits ? std::max(relay.idle_timeout, relay.idle_command_timeout)
                          : relay.idle_timeout);
}

// A line of ours that lands in the middle of a response, or in a compressed stream, would break
// what the client reads; without one it just loses its connection. Only now is it looked at what
// the streams end with: nothing is parsed while they flow. That COMPRESS was asked for is noted as
// it passes, since neither tail tells afterwards: before the first compressed byte they look as
// behind any command, and DEFLATE has stored blocks, which may hold any text.
std::optional<metrics::Farewell> Session::say_farewell(dialogue::CloseReason reason) {
  const std::string line = snapshot().protocols[listener_]->farewell(reason);
  const bool ended_by_itself = relay_->first_end() != relay::End::kNot && limit_ != Limit::kLost;
  if (line.empty() || ended_by_itself) {
    return std::nullopt;
  }
  if (const auto problem = farewell_problem()) {
    return problem;
  }
  // What the kernel does not take of it goes out while the connection lingers, under TLS; without,
  // it is so little that a system that has taken all before takes this.
  return client_->transport().write(line).bytes == line.size() ? metrics::Farewell::kSaid
                                                               : metrics::Farewell::kStalled;
}

std::optional<metrics::Farewell> Session::farewell_problem() const {
  if (relay_->switched()) {
    return metrics::Farewell::kCompressed;
  }
  if (!relay_->client_has_all()) {
    return metrics::Farewell::kStalled;
  }
  return snapshot().protocols[listener_]->between_responses(relay_->tail_to_backend(),
                                                            relay_->tail_to_client())
             ? std::nullopt
             : std::optional(metrics::Farewell::kUnsure);
}

// The backend has gone without a word. A client that waits for nothing does not notice yet, and its
// session ends when its turn comes: thousands that end at once come back at once. False: nothing
// can be said to this one, which loses its connection now.
bool Session::outlive_backend() {
  const Protocol& protocol = *snapshot().protocols[listener_];
  if (farewell_problem() ||
      protocol.end_announced(relay_->tail_to_backend(), relay_->tail_to_client())) {
    return false;
  }
  const std::int64_t wait =
      balance::wait_for_end(*pool_->backends[backend_index_].state,
                            static_cast<std::int64_t>(worker_.loop().now_ms()), pool_->lost_rate);
  limit_ = Limit::kLost;
  worker_.metrics().lost_sessions.add(1);
  backend_.reset();
  if (wait <= 0 || !relay_->backend_had_all() || client_->transport().read_pending()) {
    end_without_backend();
    return true;
  }
  client_->transport().push();  // what the backend said last
  worker_.turns().arm(deadline_, static_cast<std::uint64_t>(wait));
  client_->want(net::kReadable);
  return true;
}

// Whatever the client sends, it waits for an answer now.
void Session::hear_without_backend() {
  std::array<char, 1024> bytes;  // NOLINT(cppcoreguidelines-pro-type-member-init): read into
  const net::IoResult got = client_->transport().read(bytes);
  if (got.bytes != 0) {
    end_without_backend();
  } else if (got.want == net::Want::kClosed) {
    close(dialogue::CloseReason::kClientClosed, "after its backend had gone");
  } else if (got.want == net::Want::kFailed) {
    close(dialogue::CloseReason::kClientReset, "after its backend had gone");
  } else {
    client_->want(got.want == net::Want::kWrite ? net::kWritable : net::kReadable);
  }
}

void Session::end_without_backend() {
  close(reason_of(relay_->first_end()), "without a word from the backend");
}

const balance::BackendState* Session::backend_state() const {
  return pool_->backends[backend_index_].state.get();
}

void Session::leave_within(std::chrono::milliseconds time) {
  if (limit_ == Limit::kLost) {
    return;  // it has its turn
  }
  limit_ = Limit::kLeave;
  worker_.turns().arm(deadline_, worker_.random() % (net::to_ms(time) + 1));
}

void Session::relay_deadline() {
  if (limit_ == Limit::kLost) {
    end_without_backend();
    return;
  }
  if (limit_ == Limit::kLeave) {
    if (balance::is_taken_out(*backend_state())) {
      close(dialogue::CloseReason::kBackendDown);
      return;
    }
    limit_ = Limit::kIdle;  // it is back: all is as before
    worker_.timers().arm(deadline_, limit_ms());
    watch_limits();
    return;
  }
  if (limit_ == Limit::kStall) {
    // Only the side that is waited for counts; the other one may talk as it likes.
    if (relay_->stalled_bytes() == stalled_at_) {
      close(dialogue::CloseReason::kStalledTimeout);
    } else {
      stalled_at_ = relay_->stalled_bytes();
      worker_.timers().arm(deadline_, limit_ms());
    }
    return;
  }
  const std::uint64_t end = moved_ms_ + limit_ms();
  const std::uint64_t now = worker_.loop().now_ms();
  if (now < end) {
    worker_.timers().arm(deadline_, end - now);
    return;
  }
  close(limit_ == Limit::kHalfClose ? reason_of(relay_->first_end())
                                    : dialogue::CloseReason::kIdleTimeout);
}

}  // namespace headgate::server
