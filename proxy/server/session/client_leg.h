#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/secret.h"
#include "config/config.h"
#include "dialogue/client_dialogue.h"
#include "net/tls.h"
#include "server/protocol.h"
#include "server/session/connection.h"

namespace headgate::server {

struct Terms;

// What a client leg needs of its surroundings; outlives it.
struct ClientLegContext {
  std::shared_ptr<const Terms> terms;  // what the next three belong to
  const config::Listener& listener;
  const Protocol& protocol;
  net::ServerTls* tls;  // null on a listener without TLS
  Endpoint peer;        // as accepted
  Endpoint local;
};

// The client's side of a session before the hand-over: PROXY header, TLS, login dialogue. Driven by
// readiness and answers; never closes anything itself.
class ClientLeg {
 public:
  enum class Stage : std::uint8_t { kProxyHeader, kTls, kDialogue };
  enum class Status : std::uint8_t {
    kWaiting,       // for the client, or for the answer that is owed to the dialogue
    kAuthenticate,  // take_credentials(), then fail() or succeed()
    kRound,         // take_round(), then challenge(), fail() or succeed()
    kClose,         // close_reason() says why; what had to be said was said
  };

  ClientLeg(net::Transport& transport, const ClientLegContext& context);

  // `mask` of the poll; any value the first time.
  Status on_ready(unsigned mask);
  // The open exchange has another round.
  Status challenge(std::string_view bytes);
  // The open login failed: the reply goes out and the dialogue goes on.
  Status fail(const dialogue::Refusal& refusal);
  // The open login succeeded: what the client must see first, and what it has sent since.
  struct HandOver {
    std::string to_client;
    Secret to_backend;
  };
  HandOver succeed(const dialogue::BackendWelcome& welcome);
  // Says farewell where the protocol has come far enough for one. Best effort.
  void farewell(dialogue::CloseReason reason);

  dialogue::Credentials take_credentials() { return std::move(credentials_); }
  dialogue::SaslResponse take_round() { return std::move(round_); }
  [[nodiscard]] bool in_exchange() const {
    return dialogue_ != nullptr && dialogue_->in_exchange();
  }
  [[nodiscard]] dialogue::CloseReason close_reason() const { return close_reason_; }
  // What close_reason() alone does not tell: the TLS alert, what was wrong with a header.
  // Printable.
  [[nodiscard]] const std::string& detail() const { return detail_; }
  // The client has ended its connection behind the login that is owed an answer, and has said
  // nothing since.
  [[nodiscard]] bool left() const { return left_; }
  [[nodiscard]] unsigned wanted() const;
  [[nodiscard]] Stage stage() const { return stage_; }
  // Of the dialogue, or of the leg itself before there is one.
  [[nodiscard]] std::string_view state_name() const;
  // Those of the leg itself.
  static std::span<const std::string_view> state_names();
  [[nodiscard]] const Endpoint& client() const { return client_; }
  [[nodiscard]] const Endpoint& connected() const { return connected_; }
  // Whether both came by a PROXY header.
  [[nodiscard]] bool proxied() const { return proxied_; }
  [[nodiscard]] const dialogue::ClientDialogue* dialogue() const { return dialogue_.get(); }
  // True once, after a handshake ended well or badly: for the metric.
  [[nodiscard]] bool take_handshake_done() { return std::exchange(handshake_done_, false); }
  [[nodiscard]] bool handshake_ok() const { return handshake_ok_; }
  [[nodiscard]] std::chrono::steady_clock::time_point handshake_began() const {
    return handshake_began_;
  }

 private:
  Status advance();
  Status read_proxy_header();
  Status begin_after_proxy_header();
  Status await_hello();
  // Some clients of this listener could not be tied to their TLS connection, and it offers that.
  [[nodiscard]] bool may_be_unbound() const;
  [[nodiscard]] bool offers_by_handshake() const;
  Status handshake();
  Status run_dialogue();
  void read_last_words();
  bool send_reply();
  Status feed(std::string_view bytes);
  void note(const dialogue::Action& action);
  Status close(dialogue::CloseReason reason, std::string detail = {});
  Status close_for(const net::IoResult& result);

  net::Transport& transport_;
  const ClientLegContext& context_;
  std::unique_ptr<dialogue::ClientDialogue> dialogue_;
  Stage stage_ = Stage::kProxyHeader;
  Endpoint client_;
  Endpoint connected_;
  bool proxied_ = false;
  std::string proxy_header_;  // bytes of it read so far
  std::string reply_;         // not yet written
  Secret unread_;             // read, but behind an open action
  dialogue::Credentials credentials_;
  dialogue::SaslResponse round_;
  dialogue::CloseReason close_reason_ = dialogue::CloseReason::kInternal;
  std::optional<dialogue::CloseReason> close_after_reply_;
  std::string detail_;
  unsigned wanted_ = 0;
  bool starttls_after_reply_ = false;
  bool left_ = false;
  std::chrono::steady_clock::time_point handshake_began_;
  bool handshake_done_ = false;
  bool handshake_ok_ = false;
};

}  // namespace headgate::server
