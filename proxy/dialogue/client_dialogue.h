#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "dialogue/close_reason.h"
#include "dialogue/credentials.h"
#include "dialogue/failure.h"
#include "dialogue/limit.h"

namespace headgate::dialogue {

// What the driver has to do next. At most one at a time: a dialogue takes no further byte until
// the action has been answered.
struct NoAction {};
// Flush the reply, throw away what came behind it, do the handshake, on_tls_established().
struct StartTls {};
struct Authenticate {
  Credentials credentials;  // answer with on_login_failed() or on_login_succeeded()
};
// One round of a mechanism that only a user source can judge (SCRAM, CRAM-MD5, OAUTHBEARER with
// a challenge): answer with on_challenge(), on_login_failed() or on_login_succeeded().
struct SaslResponse {
  std::string mechanism;
  bool initial = false;  // the first message of the exchange
  bool has_response =
      false;        // false: AUTHENTICATE without initial response, the server speaks first
  Secret response;  // decoded
};
struct Close {
  CloseReason reason;  // flush the reply first
};
using Action = std::variant<NoAction, StartTls, Authenticate, SaslResponse, Close>;

struct Step {
  std::size_t consumed = 0;  // of the input; less than all of it only when there is an action
  Action action = NoAction{};
};

// Why and how a login is refused.
struct Refusal {
  // Not explicit: most refusals are a failure and nothing else.
  Refusal(LoginFailure why) : failure(why) {}  // NOLINT(google-explicit-constructor)
  Refusal(LoginFailure why, std::string_view words, bool is_last, std::string_view before = {})
      : failure(why), text(words), last(is_last), challenge(before) {}

  LoginFailure failure;
  // What the client is told instead of the failure's own words, perhaps with a response code in
  // front; empty: those words.
  std::string_view text;
  bool last = false;  // the client may not try again
  // What a mechanism that tells the client more before the reply tells it, not yet base64; empty:
  // its own words.
  std::string_view challenge = {};
};

// What the backend said when it let the user in, for the client's eyes.
struct BackendWelcome {
  std::string capabilities;  // "IMAP4rev1 IDLE …" without the word CAPABILITY; empty: told none
  std::string code;      // another response code of the tagged OK, without brackets; may be empty
  std::string text;      // human-readable text of the tagged OK
  std::string untagged;  // complete untagged lines to pass on, each with CRLF
};

// A field of the client's ID command (RFC 2971); `value` is absent for NIL.
struct IdField {
  std::string key;
  std::string value;
  bool nil = false;
};

// The client side of a protocol before login, as a pure machine: bytes in, reply bytes and at most
// one action out. No clock, no socket. One object per session; destroyed at the hand-over.
class ClientDialogue {
 public:
  virtual ~ClientDialogue() = default;

  // Appends the greeting. Once, first.
  virtual void greet(std::string& out) = 0;
  // Takes any number of bytes cut anywhere and appends replies to `out`.
  virtual Step on_bytes(std::string_view in, std::string& out) = 0;
  // The TLS handshake that StartTls asked for is done; everything learned before it is forgotten.
  virtual void on_tls_established() = 0;
  // The client has shown a certificate in the TLS handshake, and it was verified. Before greet(),
  // or right after on_tls_established().
  virtual void on_certificate() = 0;
  // No exchange can be tied to the TLS connection that was made (RFC 5056). As on_certificate().
  virtual void on_unbound() = 0;
  // The source wants another SASL round; `challenge` is not yet base64.
  virtual void on_challenge(std::string_view challenge, std::string& out) = 0;
  // Appends the reply for the open login. Returns Close when this was one failure too many, else
  // NoAction; on_bytes() may be called again.
  virtual Action on_login_failed(const Refusal& refusal, std::string& out) = 0;
  // Appends the success reply; the dialogue is over.
  virtual void on_login_succeeded(const BackendWelcome& welcome, std::string& out) = 0;
  // Appends the farewell ("* BYE …") for a close that Headgate decides; nothing after a Close
  // action or a successful login, since the client then has had its last word from here.
  virtual void farewell(CloseReason reason, std::string& out) = 0;

  // For logs and the timeout line; a name from a fixed table.
  [[nodiscard]] virtual std::string_view state_name() const = 0;
  // What the client said about itself, to go along to the backend.
  [[nodiscard]] virtual const std::vector<IdField>& client_id() const = 0;
  // Whether an exchange is open that began with a SaslResponse: between two of its rounds the
  // client may give it up, or say what ends it.
  [[nodiscard]] virtual bool in_exchange() const = 0;
  // Whether an answer is owed: an action other than NoAction and Close is open.
  [[nodiscard]] virtual bool awaiting_answer() const = 0;
  // How many commands were refused as BAD so far (metric).
  [[nodiscard]] virtual unsigned bad_commands() const = 0;
  // Which limits this session has hit so far (metric).
  [[nodiscard]] virtual const LimitHits& limit_hits() const = 0;
};

}  // namespace headgate::dialogue
