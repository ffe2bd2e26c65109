#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/address.h"
#include "base/secret.h"
#include "dialogue/credentials.h"
#include "dialogue/failure.h"

namespace headgate::auth {

// Borrowed by a source for the call of look_up() alone: one that answers later copies what it
// needs.
struct LoginRequest {
  const dialogue::Credentials& credentials;
  Endpoint client;
  Endpoint connected;
  std::string_view listener;
  std::string_view session_id;
  bool tls = false;
};

// Who the user is for the backend, and where the mailbox lives.
struct Route {
  std::string user;                 // name that the backend login uses
  std::optional<std::string> pool;  // the source names a pool …
  std::optional<HostPort> backend;  // … or one backend of it
  bool use_master = false;          // log in by the pool's master user where it has one
};

struct Accepted {
  Route route;
};
struct Rejected {
  dialogue::LoginFailure failure;  // kWrongCredentials, kExpired, kAccountDisabled, …
};
struct Unavailable {
  std::string why;  // for the log
};
struct UnknownHere {};  // ask the next source
using LookupResult = std::variant<Accepted, Rejected, Unavailable, UnknownHere>;

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
    return !credentials.by_token();
  }
  // Where would this user go? Without a password; for `headgate explain`. Blocks.
  virtual LookupResult explain(std::string_view user) = 0;
  [[nodiscard]] virtual std::string_view name() const = 0;  // "passwd_file"
};

}  // namespace headgate::auth
