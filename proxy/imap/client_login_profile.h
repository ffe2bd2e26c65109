#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "imap/sasl.h"

namespace headgate::imap {

struct ClientLoginOptions {
  // The connection needs no STARTTLS before a login: it is TLS already, or the operator said that
  // logins may come in the clear.
  bool secure = true;
  bool tls_available = false;  // STARTTLS is offered while not secure
  std::string greeting = "Headgate ready.";
  std::vector<std::string> capabilities_add;
  std::vector<std::string> capabilities_remove;
  std::vector<SaslMechanism> mechanisms = default_mechanisms();
  // The command LOGIN; false: LOGINDISABLED.
  bool login_command = true;
  std::size_t max_line = 8192;     // bytes of a command without its literals and its CRLF
  std::size_t max_sasl = 0;        // of AUTHENTICATE and of SASL responses, if larger
  std::size_t max_literal = 4096;  // bytes of one literal
  std::size_t max_total = 65536;   // bytes before login in all
  unsigned max_failures = 3;       // failed logins, then BYE; 0: no limit
  unsigned max_bad_commands = 3;   // commands answered BAD, then BYE; 0: no limit
};

// What all sessions of a listener share: the options, and the lines made from them once. Immutable;
// outlives its dialogues.
class ClientLoginProfile {
 public:
  explicit ClientLoginProfile(ClientLoginOptions options);

  [[nodiscard]] const ClientLoginOptions& options() const { return options_; }
  // "* OK [CAPABILITY …] …\r\n" as ClientLogin::greet() sends it: fit for the first TLS flight.
  [[nodiscard]] const std::string& greeting(bool certified = false, bool bound = true) const {
    return greetings_[kind(certified, bound)];
  }
  // "IMAP4rev1 …" as it holds before or after TLS; `certified`: the client has shown a certificate;
  // `bound`: what is tied to the TLS connection can be.
  [[nodiscard]] const std::string& capabilities(bool secure, bool certified = false,
                                                bool bound = true) const {
    return secure ? capabilities_secure_[kind(certified, bound)] : capabilities_clear_;
  }
  // Null: not offered. Case-insensitive.
  [[nodiscard]] const SaslMechanism* find_mechanism(std::string_view name) const;

 private:
  static std::size_t kind(bool certified, bool bound) {
    return (certified ? 1U : 0U) + (bound ? 0U : 2U);
  }
  [[nodiscard]] std::string make_capabilities(bool secure, bool certified, bool bound) const;
  [[nodiscard]] std::string make_greeting(const std::string& capabilities) const;

  ClientLoginOptions options_;
  std::string capabilities_clear_;
  std::array<std::string, 4> capabilities_secure_;  // by kind()
  std::array<std::string, 4> greetings_;
};

}  // namespace headgate::imap
