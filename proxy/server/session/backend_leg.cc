#include "server/session/backend_leg.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <variant>

#include "net/socket.h"
#include "server/session/overloaded.h"

namespace headgate::server {
namespace {

constexpr std::size_t kAnswerSize = 8192;

}  // namespace

using dialogue::LoginFailure;
using net::Want;

BackendLeg::BackendLeg(net::Loop& loop, net::IoScratch& scratch, Target target,
                       std::unique_ptr<dialogue::BackendDialogue> dialogue, void* owner,
                       Connection::Callback callback)
    : loop_(loop),
      scratch_(scratch),
      target_(std::move(target)),
      dialogue_(std::move(dialogue)),
      owner_(owner),
      on_ready_(callback) {}

BackendLeg::Status BackendLeg::start(std::optional<dialogue::BackendLoginRequest> request) {
  request_ = std::move(request);
  auto fd = net::connect_tcp(target_.endpoint, target_.keepalive);
  if (!fd) {
    return fail_connect(fd.error());
  }
  connection_ = Connection::open(loop_, scratch_, std::move(*fd), owner_, on_ready_);
  return finish_connect();
}

BackendLeg::Status BackendLeg::on_ready() {
  switch (stage_) {
    case Stage::kConnect:
      return finish_connect();
    case Stage::kTls:
      return handshake();
    case Stage::kDialogue:
      return run_dialogue(true);
  }
  return fail(LoginFailure::kInternal, "no such stage");
}

BackendLeg::Status BackendLeg::finish_connect() {
  const net::IoResult result = connection_->transport().finish_connect();
  if (result.want == Want::kWrite) {
    return wait(Want::kWrite);
  }
  if (result.want != Want::kNone) {
    return fail_connect(connection_->transport().error_code());
  }
  if (target_.tls == config::TlsMode::kImplicit) {
    return start_tls();
  }
  stage_ = Stage::kDialogue;
  return begin_dialogue();
}

BackendLeg::Status BackendLeg::start_tls() {
  connection_->transport().start_tls(*target_.client_tls, target_.host);
  stage_ = Stage::kTls;
  return handshake();
}

BackendLeg::Status BackendLeg::handshake() {
  const net::IoResult result = connection_->transport().handshake();
  if (result.want == Want::kRead || result.want == Want::kWrite) {
    return wait(result.want);
  }
  handshake_done_ = true;
  if (result.want != Want::kNone) {
    return fail(LoginFailure::kBackendTls, result.want == Want::kClosed
                                               ? "closed during the TLS handshake"
                                               : connection_->transport().error());
  }
  handshake_ok_ = heard_ = true;
  tls_version_ = connection_->transport().tls_version();
  tls_resumed_ = connection_->transport().tls_resumed();
  stage_ = Stage::kDialogue;
  if (target_.tls == config::TlsMode::kStartTls) {
    dialogue::BackendStep step = dialogue_->on_tls_established(to_send_);
    const Status status = take(std::move(step.event));
    return status == Status::kWaiting ? run_dialogue(transport_pending()) : status;
  }
  return begin_dialogue();
}

// The request is given at once: the dialogue sends it in one write when the greeting is there.
BackendLeg::Status BackendLeg::begin_dialogue() {
  ready_at_ = std::chrono::steady_clock::now();
  if (!request_) {
    return run_dialogue(transport_pending());
  }
  return give_request();
}

BackendLeg::Status BackendLeg::give_request() {
  dialogue::BackendStep step = dialogue_->log_in(std::move(*request_), to_send_);
  request_.reset();
  const Status status = take(std::move(step.event));
  return status == Status::kWaiting ? run_dialogue(transport_pending()) : status;
}

BackendLeg::Status BackendLeg::log_in(dialogue::BackendLoginRequest request, void* owner,
                                      Connection::Callback callback) {
  connection_->rebind(owner, callback);
  was_ready_ = true;
  request_ = std::move(request);
  ready_at_ = std::chrono::steady_clock::now();
  return give_request();
}

bool BackendLeg::alive() const {
  return was_ready_ && !answered_ ? net::unacknowledged(connection_->transport().fd()) == 0
                                  : heard_;
}

bool BackendLeg::transport_pending() const {
  return connection_->transport().read_pending();
}

// An answer takes a round trip: unless the poll says so there is nothing to read.
BackendLeg::Status BackendLeg::run_dialogue(bool may_read) {
  std::array<char, kAnswerSize> bytes;
  net::Transport& transport = connection_->transport();
  for (;;) {
    if (!to_send_.empty() || transport.unsent() > 0) {
      const net::IoResult sent =
          to_send_.empty() ? transport.flush() : transport.write(to_send_.view());
      to_send_.consume(sent.bytes);
      if (sent.want == Want::kFailed || sent.want == Want::kClosed) {
        return fail_closed(sent);
      }
      if (sent.want == Want::kWrite) {
        return wait(Want::kWrite);
      }
    }
    if (!may_read) {
      return wait(Want::kRead);
    }
    const net::IoResult got = transport.read(bytes);
    std::string_view input(bytes.data(), got.bytes);
    heard_ = heard_ || !input.empty();
    answered_ = was_ready_ && (answered_ || !input.empty());
    while (!input.empty()) {
      dialogue::BackendStep step = dialogue_->on_bytes(input, to_send_);
      input.remove_prefix(step.consumed);
      if (std::holds_alternative<dialogue::BackendLoggedIn>(step.event)) {
        unread_ = input;
      }
      const bool starttls = std::holds_alternative<dialogue::StartTls>(step.event);
      const Status status = take(std::move(step.event));
      if (status == Status::kReady) {
        connection_->want(net::kReadable);
      }
      if (status != Status::kWaiting || starttls) {
        return status;  // what stood behind the answer to STARTTLS in the clear is void
      }
    }
    if (got.want == Want::kFailed || got.want == Want::kClosed) {
      return fail_closed(got);
    }
    if (got.want != Want::kNone && to_send_.empty()) {
      return wait(got.want);
    }
    may_read = got.want == Want::kNone;
  }
}

BackendLeg::Status BackendLeg::take(dialogue::BackendEvent event) {
  return std::visit(Overloaded{
                        [](dialogue::NoAction) { return Status::kWaiting; },
                        [](dialogue::BackendReady) { return Status::kReady; },
                        [this](dialogue::StartTls) { return start_tls(); },
                        [this](dialogue::BackendLoggedIn& in) {
                          welcome_ = std::move(in.welcome);
                          return Status::kLoggedIn;
                        },
                        [this](dialogue::BackendFailed& failed) {
                          return fail(failed.failure, std::move(failed.detail));
                        },
                    },
                    event);
}

// A backend that has not said a word never judged the user, so another one may be tried; one that
// hangs in the middle of a login may yet let the user in, but for one that is out anyway.
void BackendLeg::time_out(bool taken_out) {
  std::string detail = taken_out ? "taken out by health checks in state " : "timeout in state ";
  detail += state_name();
  LoginFailure failure = LoginFailure::kBackendTimeout;
  if (taken_out || stage_ == Stage::kConnect || (was_ready_ && !answered_)) {
    failure = LoginFailure::kConnectTimeout;
  } else if (!heard_) {
    failure = stage_ == Stage::kTls ? LoginFailure::kBackendTls : LoginFailure::kBackendGreeting;
  }
  fail(failure, std::move(detail));
}

BackendLeg::Status BackendLeg::fail(LoginFailure failure, std::string detail) {
  failure_ = failure;
  detail_ = std::move(detail);
  connection_.reset();
  return Status::kFailed;
}

BackendLeg::Status BackendLeg::fail_connect(int error) {
  switch (error) {
    case ECONNREFUSED:
      return fail(LoginFailure::kConnectRefused, std::strerror(error));
    case ETIMEDOUT:
      return fail(LoginFailure::kConnectTimeout, std::strerror(error));
    default:
      return fail(LoginFailure::kConnectFailed, std::strerror(error));
  }
}

BackendLeg::Status BackendLeg::fail_closed(const net::IoResult& result) {
  closed_ = true;
  dialogue::BackendFailed failed = dialogue_->on_closed();
  if (result.want == Want::kFailed) {
    failed.detail += " (" + connection_->transport().error() + ")";
  }
  return fail(failed.failure, std::move(failed.detail));
}

BackendLeg::Status BackendLeg::wait(Want want) {
  connection_->want(want == Want::kWrite ? net::kWritable : net::kReadable);
  return Status::kWaiting;
}

std::string_view BackendLeg::state_name() const {
  switch (stage_) {
    case Stage::kConnect:
      return "connect";
    case Stage::kTls:
      return "tls";
    case Stage::kDialogue:
      return dialogue_->state_name();
  }
  return "unknown";
}

}  // namespace headgate::server
