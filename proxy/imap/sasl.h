#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/secret.h"
#include "dialogue/client_dialogue.h"
#include "dialogue/credentials.h"
#include "dialogue/failure.h"

namespace headgate::imap {

// What a mechanism wants after a message from the client.
struct SaslChallenge {
  std::string bytes;  // not yet base64
};
struct SaslDone {
  dialogue::Credentials credentials;
};
struct SaslRefused {
  dialogue::LoginFailure failure;
};
using SaslStep = std::variant<SaslChallenge, SaslDone, SaslRefused>;

// Whether a name or a secret may leave the dialogue: no NUL, CR or LF in either, and a name is
// UTF-8 and not empty. A password may be in any encoding.
bool acceptable_user(std::string_view user);
bool acceptable_secret(std::string_view secret);
// SaslDone, or SaslRefused where one of the two is not acceptable.
SaslStep make_credentials(std::string_view mechanism, std::string_view user,
                          std::string_view secret);

// One exchange of a mechanism (RFC 4422) that ends in a name and a secret. Knows neither base64 nor
// IMAP. Any number of rounds; the dialogue bounds their size and count by its own limits.
class SaslExchange {
 public:
  virtual ~SaslExchange() = default;
  // Once, first: the client's initial response, or null when it sent none.
  SaslStep begin(const Secret* initial) {
    return initial == nullptr ? SaslChallenge{std::string(first_challenge())}
                              : on_response(*initial);
  }
  virtual SaslStep on_response(const Secret& response) = 0;
  // The credentials that it ended in were refused: what the client is told before the reply, not
  // yet base64. Its answer means nothing. Empty: no more than the reply.
  [[nodiscard]] virtual std::string last_challenge(const dialogue::Refusal& /*refusal*/) const {
    return {};
  }

 private:
  // What a client is asked that says nothing at first.
  [[nodiscard]] virtual std::string_view first_challenge() const { return {}; }
};

// A mechanism that a listener offers. Without a factory every message goes to the user source as a
// dialogue::SaslResponse and the challenges come from there.
struct SaslMechanism {
  std::string name;  // "PLAIN", upper case
  std::unique_ptr<SaslExchange> (*make)() = nullptr;
  // Offered to clients alone that have shown a verified certificate.
  bool by_certificate = false;
  // Offered alone where there is something about the TLS connection that it could be tied to.
  bool tied = false;
};
// A factory for SaslMechanism.
template <typename Exchange>
std::unique_ptr<SaslExchange> make_exchange() {
  return std::make_unique<Exchange>();
}

SaslMechanism sasl_plain();  // RFC 4616
SaslMechanism sasl_login();  // draft-murchison-sasl-login: user name and password, each asked for
// Tokens. The credentials' secret is the token; the user of an OAUTHBEARER may be empty, and then
// it is the token that says who it is.
SaslMechanism sasl_xoauth2();
SaslMechanism sasl_oauthbearer();  // RFC 7628
// RFC 4422 appendix A: the credentials are the authorization identity, perhaps empty, and nothing
// else; who it is says the certificate.
SaslMechanism sasl_external();

// What is offered when nothing else is said: PLAIN and LOGIN.
std::vector<SaslMechanism> default_mechanisms();

}  // namespace headgate::imap
