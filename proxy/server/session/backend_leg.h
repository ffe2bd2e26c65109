#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/address.h"
#include "base/secret.h"
#include "config/config.h"
#include "dialogue/backend_dialogue.h"
#include "net/socket.h"
#include "net/tls.h"
#include "server/protocol.h"
#include "server/session/connection.h"

namespace headgate::server {

// One attempt to get a user into one backend: connect, TLS, login dialogue. The user may come when
// the greeting is there already (see ReadyConnections). Driven by readiness; decides nothing about
// what comes after.
class BackendLeg {
 public:
  enum class Stage : std::uint8_t { kConnect, kTls, kDialogue };
  enum class Status : std::uint8_t {
    kWaiting,
    kReady,     // there is no user yet: log_in(). Until then on_ready() tells how the backend does.
    kLoggedIn,  // take_welcome(), take_connection(), unread()
    kFailed,    // failure() and detail()
  };
  struct Target {
    Endpoint endpoint;
    std::string host;  // name for SNI and verification
    config::TlsMode tls = config::TlsMode::kNone;
    net::ClientTls* client_tls = nullptr;  // for all but kNone
    net::KeepAlive keepalive;
  };

  // `owner` gets `callback` for the backend's socket.
  BackendLeg(net::Loop& loop, net::IoScratch& scratch, Target target,
             std::unique_ptr<dialogue::BackendDialogue> dialogue, void* owner,
             Connection::Callback callback);

  // Without a request it comes as far as kReady.
  Status start(std::optional<dialogue::BackendLoginRequest> request);
  // Once, of one that is ready; `owner` gets the callbacks from here on.
  Status log_in(dialogue::BackendLoginRequest request, void* owner, Connection::Callback callback);
  // Of one that is logged in and waits: the backend is not listened to until its connection is
  // taken.
  void rest() { connection_->want(0); }
  Status on_ready();
  // The attempt's time is over: what that means depends on how far it came, and on whether health
  // checks have taken the backend out.
  void time_out(bool taken_out = false);

  dialogue::BackendWelcome take_welcome() { return std::move(welcome_); }
  Connection::Ptr take_connection() { return std::move(connection_); }
  // Bytes the backend sent behind its OK; they are the client's.
  [[nodiscard]] std::string_view unread() const { return unread_; }
  [[nodiscard]] dialogue::LoginFailure failure() const { return failure_; }
  // For the log: errors, alerts, the backend's words. Printable.
  [[nodiscard]] const std::string& detail() const { return detail_; }
  [[nodiscard]] Stage stage() const { return stage_; }
  [[nodiscard]] std::string_view state_name() const;
  // True once, after a handshake ended well or badly: for the metric.
  [[nodiscard]] bool take_handshake_done() { return std::exchange(handshake_done_, false); }
  [[nodiscard]] bool handshake_ok() const { return handshake_ok_; }
  [[nodiscard]] std::string_view tls_version() const { return tls_version_; }
  [[nodiscard]] bool tls_resumed() const { return tls_resumed_; }
  // Whether it was ready before its user came.
  [[nodiscard]] bool was_ready() const { return was_ready_; }
  // Whether the backend is more than a kernel that accepts: it has said something. One that was
  // ready may have died since; then not even its kernel takes what it is sent.
  [[nodiscard]] bool alive() const;
  // Of one that was ready and failed: the backend had closed it, or closed it before it answered.
  // That says nothing about the backend's health, nor about the user.
  [[nodiscard]] bool went_stale() const { return was_ready_ && closed_; }
  [[nodiscard]] std::chrono::steady_clock::time_point logged_in_from() const { return ready_at_; }

 private:
  Status finish_connect();
  Status handshake();
  Status begin_dialogue();
  Status give_request();
  Status run_dialogue(bool may_read);
  [[nodiscard]] bool transport_pending() const;
  Status take(dialogue::BackendEvent event);
  Status start_tls();
  Status fail(dialogue::LoginFailure failure, std::string detail);
  Status fail_connect(int error);
  Status fail_closed(const net::IoResult& result);
  Status wait(net::Want want);

  net::Loop& loop_;
  net::IoScratch& scratch_;
  Target target_;
  std::unique_ptr<dialogue::BackendDialogue> dialogue_;
  std::optional<dialogue::BackendLoginRequest> request_;  // until the dialogue has it
  void* owner_;
  Connection::Callback on_ready_;
  Connection::Ptr connection_;
  Stage stage_ = Stage::kConnect;
  Secret to_send_;
  std::string unread_;
  dialogue::BackendWelcome welcome_;
  dialogue::LoginFailure failure_ = dialogue::LoginFailure::kInternal;
  std::string detail_;
  std::chrono::steady_clock::time_point ready_at_;  // when the login dialogue could begin
  std::string_view tls_version_;
  bool tls_resumed_ = false;
  bool handshake_done_ = false;
  bool handshake_ok_ = false;
  bool heard_ = false;
  bool was_ready_ = false;
  bool answered_ = false;  // of one that was ready: something came since the login was sent
  bool closed_ = false;    // by the backend, or broken
};

}  // namespace headgate::server
