#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/secret.h"
#include "dialogue/backend_dialogue.h"
#include "dialogue/credentials.h"
#include "dialogue/failure.h"
#include "metrics/labels.h"
#include "net/client_certificate.h"

namespace headgate::proof {
class PasswordHash;
}  // namespace headgate::proof

namespace headgate::auth {

// What a source keeps between two rounds of an exchange that it judges itself. Its end gives the
// exchange up.
class Conversation {
 public:
  Conversation() = default;
  virtual ~Conversation() = default;
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;
};

// One round of such an exchange.
struct Round {
  std::optional<Secret> message;               // of the client; nullopt: the server speaks first
  std::shared_ptr<Conversation> conversation;  // of the last Challenge; null: the first round
};

// Borrowed by a source for the call of look_up() alone: one that answers later copies what it
// needs.
struct LoginRequest {
  const dialogue::Credentials& credentials;
  Endpoint client;
  Endpoint connected;
  std::string_view listener;
  std::string_view session_id;
  bool tls = false;
  std::string_view tls_version = {};  // "TLSv1.3"; empty without TLS
  std::string_view tls_cipher = {};
  std::string_view protocol = "imap";
  bool proxied = false;  // the addresses are those of a PROXY header
  // Of the client's verified certificate; null: it has shown none.
  std::shared_ptr<const net::CertificateNames> certificate = {};
  // One that nobody vouches for, for those who want to know of it; it lets nobody in.
  std::shared_ptr<const net::UnverifiedCertificate> unverified_certificate = {};
  bool certificate_asked = false;     // the listener asks its clients for certificates
  unsigned attempt = 1;               // which login of this connection, from 1
  std::string_view server_name = {};  // SNI; empty: none
  // Null: all that there is to judge by is in the credentials.
  std::shared_ptr<const Round> round = {};

  // What this login is called, in all questions about it.
  [[nodiscard]] std::string login() const {
    return std::string(session_id) + "/" + std::to_string(attempt);
  }
};

// TLS at a backend: asked for by STARTTLS, or from the first byte.
enum class BackendTls : std::uint8_t { kStartTls, kImplicit };

class PoolTrial;

// Who the user is for the backend, and where the mailbox lives.
struct Route {
  std::string user;                 // name that the backend login uses
  std::optional<std::string> pool;  // the source names a pool …
  std::optional<HostPort> backend;  // … or one backend of it
  bool use_master = false;          // log in by the pool's master user where it has one
  // Instead of the client's password, before any master user.
  std::shared_ptr<const Secret> password = {};
  // The name that stands in the log and that routes go by, where the client's own word for it is
  // not what counts.
  std::optional<std::string> name = {};
  // Label of the application password that the client gave instead of the user's own.
  std::optional<std::string> app_password = {};
  // So many bytes at the end of the client's password were a one-time code.
  std::size_t code_length = 0;
  // Where `backend` is, when it is a name that the source has resolved.
  std::vector<Endpoint> addresses = {};
  // How `password` is shown: as a password or a token.
  dialogue::BackendProof proof = dialogue::BackendProof::kPassword;
  // `password` is this master user's, who logs in on behalf of `user`.
  std::optional<std::string> master = {};
  // Instead of the pool's mode, in a pool that has TLS; certificates are verified as the pool says.
  std::optional<BackendTls> tls = {};
  // The source would take any certificate of the backend; the pool decides whether that is obeyed.
  bool any_certificate = false;
  std::optional<std::chrono::milliseconds> login_timeout = {};  // instead of the pool's
  // What the backend is told besides, where the pool forwards clients: see forwarded_fields.h.
  std::vector<dialogue::IdField> forward = {};
  // So many sessions the user may have at a time, 0: any number, instead of what the configuration
  // allows each user: see max_sessions.h.
  std::optional<std::uint32_t> max_sessions = {};
  // Where the source names no pool: which ones are asked, one after the other. This login's own.
  std::shared_ptr<PoolTrial> trial = {};
};

struct Accepted {
  Route route;
};
// The answer to a question whose credentials go by_exchange(): who it is, and what there is to
// judge the client by. Nobody is let in yet.
struct Known {
  Route route;
  std::shared_ptr<const proof::PasswordHash> stored;
};
struct Rejected {
  dialogue::LoginFailure failure;  // kWrongCredentials, kExpired, kAccountDisabled, …
  // What the client is told instead of the failure's own words: one line, perhaps with a response
  // code of its own in front ("[EXPIRED] …").
  std::string text = {};
  // For the log; empty: the text.
  std::string detail = {};
  // How long the reply waits, instead of login.failure_delay.
  std::optional<std::chrono::milliseconds> delay = {};
  bool last = false;  // the connection ends with the reply
  // What a client of a token mechanism is told before the reply (RFC 7628, 3.2.2), not yet base64;
  // empty: the mechanism's own words.
  std::string challenge = {};
  // A right password was not enough; what was the matter with the code.
  std::optional<metrics::Factor> factor = {};
};
// Not known yet: the same question again, to all sources, after this time.
struct AskAgain {
  std::chrono::milliseconds after;
};
struct Unavailable {
  std::string why;  // for the log
};
struct UnknownHere {};  // ask the next source
// The answer to a Round that is not the last: what the client is told; it answers with another
// message. Not yet base64.
struct Challenge {
  std::string bytes;
  std::shared_ptr<Conversation> conversation = {};
};
using LookupResult =
    std::variant<Accepted, Rejected, Unavailable, UnknownHere, AskAgain, Known, Challenge>;

// Answers "who is this, and where does the mailbox live". One object per worker.
class UserSource {
 public:
  virtual ~UserSource() = default;
  using Callback = std::function<void(LookupResult)>;
  // `done` is called exactly once on the worker's thread, at once or later. A caller that goes away
  // must make its callback harmless; there is no cancelling.
  virtual void look_up(const LoginRequest& request, Callback done) = 0;
  // Whether it can judge such credentials; a chain does not ask one that cannot.
  [[nodiscard]] virtual bool takes(const dialogue::Credentials& credentials) const {
    return credentials.by_password();
  }
  // Of a source that takes credentials which go by_exchange(): it judges each Round itself, and
  // knows nothing of what is stored.
  [[nodiscard]] virtual bool judges_rounds() const { return false; }
  // Where would this user go? Without a password; for `headgate explain`. Blocks.
  virtual LookupResult explain(std::string_view user) = 0;
  [[nodiscard]] virtual std::string_view name() const = 0;  // "passwd_file"
};

}  // namespace headgate::auth
