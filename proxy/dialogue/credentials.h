#pragma once

#include <string>

#include "base/secret.h"

namespace headgate::dialogue {

// What a client said about who it is. Checked for form by the dialogue that made it: `user` is
// valid UTF-8 without NUL, CR or LF, and neither it nor `secret` holds a byte that could end a
// line. A token is printable ASCII without white space or commas.
struct Credentials {
  std::string mechanism;  // "LOGIN" for the command, else the SASL name: "PLAIN", "XOAUTH2", …
  std::string user;       // the authentication identity; empty: the token says who it is
  Secret secret;          // password or token; none where the client proves itself in an exchange

  // In one of four ways: by a password that is there, …
  [[nodiscard]] bool by_password() const {
    return mechanism.empty() || mechanism == "LOGIN" || mechanism == "PLAIN";
  }
  [[nodiscard]] bool by_token() const {
    return mechanism == "XOAUTH2" || mechanism == "OAUTHBEARER";
  }
  // In the rounds of an auth::Exchange, mostly without telling a password: by any other mechanism.
  [[nodiscard]] bool by_exchange() const {
    return !by_password() && !by_token() && !by_certificate();
  }
  // One of those that what is stored of a password can judge.
  [[nodiscard]] bool by_stored_secret() const {
    return mechanism == "SCRAM-SHA-256" || mechanism == "SCRAM-SHA-256-PLUS" ||
           mechanism == "SCRAM-SHA-1" || mechanism == "SCRAM-SHA-1-PLUS" || mechanism == "CRAM-MD5";
  }
  // By that of the TLS connection; `user` is the authorization identity, and may be empty.
  [[nodiscard]] bool by_certificate() const { return mechanism == "EXTERNAL"; }
};

}  // namespace headgate::dialogue
