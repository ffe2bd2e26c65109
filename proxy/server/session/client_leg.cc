#include "server/session/client_leg.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <variant>

#include "config/mechanisms.h"
#include "net/proxy_header.h"
#include "server/session/overloaded.h"

namespace headgate::server {
namespace {

constexpr std::size_t kCommandSize = 4096;
// Reads that throw away what came behind STARTTLS in the clear; more than that is an attack.
constexpr int kDiscardReads = 64;
constexpr std::array<std::string_view, 2> kStateNames = {"proxy_header", "tls"};
static_assert(kStateNames.size() == static_cast<std::size_t>(ClientLeg::Stage::kDialogue));

}  // namespace

using dialogue::CloseReason;
using net::Want;

ClientLeg::ClientLeg(net::Transport& transport, const ClientLegContext& context)
    : transport_(transport),
      context_(context),
      stage_(context.listener.proxy_protocol ? Stage::kProxyHeader : Stage::kTls),
      client_(context.peer),
      connected_(context.local) {}

ClientLeg::Status ClientLeg::on_ready(unsigned mask) {
  const bool owed = stage_ == Stage::kDialogue && dialogue_->awaiting_answer();
  if (owed && (mask & (net::kHangup | net::kReadable)) != 0) {
    // A client may end its sending side behind its last command and still read the answers; only
    // a broken connection ends the wait for the backend.
    int error = 0;
    socklen_t size = sizeof(error);
    ::getsockopt(transport_.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      return close(CloseReason::kClientReset, std::strerror(error));
    }
    if ((mask & net::kHangup) != 0) {
      read_last_words();
    }
    // Input that waits is left there; then only the end of it is of interest.
    wanted_ &= ~(net::kHangup | net::kReadable);
    wanted_ |= (mask & net::kHangup) == 0 ? net::kHangup : 0;
    if ((mask & net::kWritable) == 0) {
      return Status::kWaiting;
    }
  }
  return advance();
}

// The client has ended its sending side. Commands that stand before that are to be answered; once,
// so that what is held of them is bounded.
void ClientLeg::read_last_words() {
  std::array<char, kCommandSize> bytes;
  const net::IoResult result = transport_.read(bytes);
  unread_.append({bytes.data(), result.bytes});
  wipe(bytes.data(), result.bytes);
  left_ = unread_.empty() && (result.want == Want::kClosed || result.want == Want::kFailed);
}

ClientLeg::Status ClientLeg::advance() {
  switch (stage_) {
    case Stage::kProxyHeader:
      return read_proxy_header();
    case Stage::kTls:
      return dialogue_ == nullptr ? begin_after_proxy_header() : handshake();
    case Stage::kDialogue:
      return run_dialogue();
  }
  return close(CloseReason::kInternal);
}

// The header is peeked at and taken byte-exact, since what follows it belongs to TLS.
ClientLeg::Status ClientLeg::read_proxy_header() {
  if (proxy_header_.empty()) {
    bool trusted = false;
    for (const Network& network : context_.listener.proxy_protocol->trusted) {
      trusted = trusted || network.contains(context_.peer.ip);
    }
    if (!trusted) {
      return close(CloseReason::kProxyHeader, "peer is not a trusted network");
    }
  }
  std::array<char, kCommandSize> bytes;
  for (;;) {
    const ssize_t got = ::recv(transport_.fd(), bytes.data(), bytes.size(), MSG_PEEK);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0 && errno == EAGAIN) {
      wanted_ = net::kReadable;
      return Status::kWaiting;
    }
    if (got <= 0) {
      return close(CloseReason::kProxyHeader, "connection ended inside the header");
    }
    const std::size_t before = proxy_header_.size();
    proxy_header_.append(bytes.data(), static_cast<std::size_t>(got));
    const net::ProxyHeaderResult result = net::parse_proxy_header(proxy_header_);
    if (const auto* broken = std::get_if<net::ProxyHeaderBroken>(&result)) {
      return close(CloseReason::kProxyHeader, std::string(broken->why));
    }
    const auto* header = std::get_if<net::ProxyHeader>(&result);
    const std::size_t take = (header != nullptr ? header->length : proxy_header_.size()) - before;
    if (::recv(transport_.fd(), bytes.data(), take, 0) != static_cast<ssize_t>(take)) {
      return close(CloseReason::kInternal, "peeked bytes are gone");
    }
    if (header != nullptr) {
      if (!header->local) {
        client_ = header->client;
        connected_ = header->server;
        proxied_ = true;
      }
      proxy_header_ = {};
      stage_ = Stage::kTls;
      return begin_after_proxy_header();
    }
  }
}

ClientLeg::Status ClientLeg::begin_after_proxy_header() {
  const bool implicit = context_.listener.tls == config::TlsMode::kImplicit;
  dialogue_ = context_.protocol.client();
  if (!implicit || !offers_by_handshake()) {
    dialogue_->greet(reply_);
  }
  if (implicit) {
    handshake_began_ = std::chrono::steady_clock::now();
    transport_.start_tls(*context_.tls, reply_);
    reply_.clear();
    return await_hello();
  }
  stage_ = Stage::kDialogue;
  return run_dialogue();
}

bool ClientLeg::may_be_unbound() const {
  return context_.tls != nullptr && !context_.tls->always_bound() &&
         std::ranges::any_of(context_.listener.sasl, config::ties_to_tls);
}

// What is offered goes by what the client shows of itself in the handshake, so the greeting comes
// behind it.
bool ClientLeg::offers_by_handshake() const {
  return context_.listener.client_certificates.has_value() || may_be_unbound();
}

// The client speaks first, a round trip from now: there is nothing to read yet, and if there is,
// the poll will say so.
ClientLeg::Status ClientLeg::await_hello() {
  wanted_ = net::kReadable;
  return Status::kWaiting;
}

ClientLeg::Status ClientLeg::handshake() {
  const net::IoResult result = transport_.handshake();
  switch (result.want) {
    case Want::kRead:
      wanted_ = net::kReadable;
      return Status::kWaiting;
    case Want::kWrite:
      wanted_ = net::kWritable;
      return Status::kWaiting;
    case Want::kNone:
      break;
    case Want::kClosed:
      return close(CloseReason::kClientClosed, "during the TLS handshake");
    case Want::kFailed:
      handshake_done_ = true;
      return close(CloseReason::kClientTlsFailed, transport_.error());
  }
  handshake_done_ = handshake_ok_ = true;
  stage_ = Stage::kDialogue;
  const bool starttls = context_.listener.tls == config::TlsMode::kStartTls;
  if (starttls) {
    dialogue_->on_tls_established();
  }
  if (context_.listener.client_certificates && transport_.client_certificate()) {
    dialogue_->on_certificate();
  }
  if (may_be_unbound() && !transport_.channel_bindings().any()) {
    dialogue_->on_unbound();
  }
  if (!starttls && offers_by_handshake()) {
    dialogue_->greet(reply_);
  }
  return run_dialogue();
}

ClientLeg::Status ClientLeg::run_dialogue() {
  std::array<char, kCommandSize> bytes;
  for (;;) {
    if (!send_reply()) {
      return wanted_ == net::kWritable ? Status::kWaiting : Status::kClose;
    }
    if (close_after_reply_) {
      return close(*close_after_reply_);
    }
    if (starttls_after_reply_) {
      starttls_after_reply_ = false;
      handshake_began_ = std::chrono::steady_clock::now();
      transport_.start_tls(*context_.tls, {});
      stage_ = Stage::kTls;
      return await_hello();
    }
    if (dialogue_->awaiting_answer()) {
      wanted_ = net::kReadable;
      return Status::kWaiting;
    }
    if (!unread_.empty()) {
      const Secret input = std::exchange(unread_, Secret());
      if (const Status status = feed(input.view()); status != Status::kWaiting) {
        return status;
      }
      continue;
    }
    const net::IoResult result = transport_.read(bytes);
    if (result.bytes > 0) {
      const Status status = feed({bytes.data(), result.bytes});
      wipe(bytes.data(), result.bytes);
      if (status != Status::kWaiting) {
        return status;
      }
      continue;
    }
    if (result.want != Want::kNone) {
      return close_for(result);
    }
  }
}

// False: something is left (wanted_ is kWritable) or the client is gone (close_reason_ is set).
bool ClientLeg::send_reply() {
  if (!reply_.empty()) {
    const net::IoResult result = transport_.write(reply_);
    reply_.erase(0, result.bytes);
    if (result.want != Want::kNone) {
      close_for(result);
      return false;
    }
    return true;
  }
  if (transport_.unsent() > 0) {
    const net::IoResult result = transport_.flush();
    if (result.want != Want::kNone) {
      close_for(result);
      return false;
    }
  }
  return true;
}

ClientLeg::Status ClientLeg::feed(std::string_view bytes) {
  dialogue::Step step = dialogue_->on_bytes(bytes, reply_);
  unread_.append(bytes.substr(step.consumed));
  return std::visit(Overloaded{
                        [](dialogue::NoAction) { return Status::kWaiting; },
                        [this](dialogue::StartTls) {
                          // Before the answer is out a client has nothing to say: what is here is
                          // an injection.
                          unread_.clear();
                          std::array<char, kCommandSize> discard;
                          for (int i = 0; i < kDiscardReads && transport_.read(discard).bytes > 0;
                               ++i) {
                          }
                          starttls_after_reply_ = true;
                          return Status::kWaiting;
                        },
                        [this](dialogue::Authenticate& action) {
                          credentials_ = std::move(action.credentials);
                          wanted_ = net::kReadable;
                          return Status::kAuthenticate;
                        },
                        [this](dialogue::SaslResponse& action) {
                          round_ = std::move(action);
                          wanted_ = net::kReadable;
                          return Status::kRound;
                        },
                        [this](dialogue::Close action) {
                          close_after_reply_ = action.reason;
                          return Status::kWaiting;
                        },
                    },
                    step.action);
}

ClientLeg::Status ClientLeg::challenge(std::string_view bytes) {
  dialogue_->on_challenge(bytes, reply_);
  return run_dialogue();
}

ClientLeg::Status ClientLeg::fail(const dialogue::Refusal& refusal) {
  note(dialogue_->on_login_failed(refusal, reply_));
  return run_dialogue();
}

void ClientLeg::note(const dialogue::Action& action) {
  if (const auto* close_action = std::get_if<dialogue::Close>(&action)) {
    close_after_reply_ = close_action->reason;
  }
}

ClientLeg::HandOver ClientLeg::succeed(const dialogue::BackendWelcome& welcome) {
  dialogue_->on_login_succeeded(welcome, reply_);
  return {std::exchange(reply_, {}), std::exchange(unread_, Secret())};
}

void ClientLeg::farewell(CloseReason reason) {
  if (stage_ == Stage::kTls && dialogue_ != nullptr) {
    handshake();  // the client has its greeting already, and its Finished may just have come
  }
  if (stage_ != Stage::kDialogue || dialogue_ == nullptr) {
    return;
  }
  dialogue_->farewell(reason, reply_);
  send_reply();
}

ClientLeg::Status ClientLeg::close(CloseReason reason, std::string detail) {
  close_reason_ = reason;
  detail_ = std::move(detail);
  wanted_ = 0;
  return Status::kClose;
}

ClientLeg::Status ClientLeg::close_for(const net::IoResult& result) {
  switch (result.want) {
    case Want::kNone:
    case Want::kRead:
      wanted_ = net::kReadable;
      return Status::kWaiting;
    case Want::kWrite:
      wanted_ = net::kWritable;
      return Status::kWaiting;
    case Want::kClosed:
      return close(CloseReason::kClientClosed);
    case Want::kFailed:
      break;
  }
  // Many clients drop the connection without TLS's close_notify; that is an end like any other.
  return transport_.truncated() ? close(CloseReason::kClientClosed)
                                : close(CloseReason::kClientReset, transport_.error());
}

unsigned ClientLeg::wanted() const {
  return wanted_;
}

std::string_view ClientLeg::state_name() const {
  return stage_ == Stage::kDialogue ? dialogue_->state_name()
                                    : kStateNames[static_cast<std::size_t>(stage_)];
}

std::span<const std::string_view> ClientLeg::state_names() {
  return kStateNames;
}

}  // namespace headgate::server
