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
    return !by_token() && !by_exchange() && !by_certificate();
  }
  [[nodiscard]] bool by_token() const {
    return mechanism == "XOAUTH2" || mechanism == "OAUTHBEARER";
  }
  // The client shows who it is without telling a password: in an auth::Exchange.
  [[nodiscard]] bool by_exchange() const {
    return mechanism.starts_with("SCRAM-") || mechanism == "CRAM-MD5" ||
           mechanism == "DIGEST-MD5" || mechanism == "GSSAPI" || mechanism == "GSS-SPNEGO";
  }
  // By that of the TLS connection; `user` is the authorization identity, and may be empty.
  [[nodiscard]] bool by_certificate() const { return mechanism == "EXTERNAL"; }
};

}  // namespace headgate::dialogue
