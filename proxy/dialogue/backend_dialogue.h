#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/secret.h"
#include "dialogue/client_dialogue.h"

namespace headgate::dialogue {

// The client as the backend should see it (protocol-facts: Dovecot's ID forwarding).
struct ForwardedClient {
  std::string session_id;
  Endpoint client;          // real client address, after PROXY
  Endpoint connected;       // the address it connected to
  bool tls = false;         // the client's leg is encrypted
  std::string server_name;  // SNI; empty: none
  unsigned ttl = 7;         // what this hop may spend; ttl <= 1 is a loop
  std::vector<IdField> id;  // the client's own ID fields
  // What the user source wants it to know: x-forward-KEY, here without that prefix. Few and short.
  std::vector<IdField> forward = {};
};

// What a login at a backend proves itself by. A backend that has only one of the two token
// mechanisms gets that one.
enum class BackendProof : std::uint8_t {
  kPassword,
  kXoauth2,
  kOauthbearer,
  kExternal,  // Headgate's certificate (SASL EXTERNAL); there is no secret
};

struct BackendLoginRequest {
  BackendProof proof = BackendProof::kPassword;
  std::string user;            // who logs in (authentication identity)
  std::string authorization;   // on whose behalf, when a master user logs in; empty: `user` itself
  Secret password;             // or token
  bool forward_client = true;  // send ID when the backend lists it
  ForwardedClient client;
};

struct BackendReady {};  // greeting (and TLS) done: log_in() would be sent at once
struct BackendLoggedIn {
  BackendWelcome welcome;
};
struct BackendFailed {
  LoginFailure failure;
  std::string detail;  // for the log: the backend's words, printable, bounded; never a secret
};
using BackendEvent = std::variant<NoAction, StartTls, BackendReady, BackendLoggedIn, BackendFailed>;

struct BackendStep {
  // Less than all of the input only with StartTls, BackendFailed and BackendLoggedIn. What follows
  // BackendLoggedIn belongs to the relay.
  std::size_t consumed = 0;
  BackendEvent event = NoAction{};
};

// The backend side of a protocol up to the end of the login. The greeting may be read long before
// a user is known (a connection kept ready), so log_in() comes before or after BackendReady.
class BackendDialogue {
 public:
  virtual ~BackendDialogue() = default;

  // Takes any number of bytes cut anywhere; appends what is to be sent to `out`, which may hold
  // credentials and so is a Secret.
  virtual BackendStep on_bytes(std::string_view in, Secret& out) = 0;
  // The handshake that StartTls asked for is done; bytes read before it are void.
  virtual BackendStep on_tls_established(Secret& out) = 0;
  // Once. The request's password is wiped when it has been sent. A request that cannot be sent
  // (loop, user name with a line end) gives BackendFailed at once.
  virtual BackendStep log_in(BackendLoginRequest request, Secret& out) = 0;

  // What it means that the backend's connection ends or breaks now: a goodbye makes it unavailable,
  // silence a breach of the protocol.
  [[nodiscard]] virtual BackendFailed on_closed() const = 0;

  // For logs and the timeout line: what was sent and what was answered last. Invalid after any
  // non-const call.
  [[nodiscard]] virtual std::string_view state_name() const = 0;
};

}  // namespace headgate::dialogue
