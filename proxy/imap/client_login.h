#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "dialogue/client_dialogue.h"
#include "imap/command.h"
#include "imap/command_reader.h"
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
  std::size_t max_line = 8192;     // bytes of a command without its literals and its CRLF
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
  [[nodiscard]] const std::string& greeting() const { return greeting_; }
  // "IMAP4rev1 …" as it holds before or after TLS.
  [[nodiscard]] const std::string& capabilities(bool secure) const {
    return secure ? capabilities_secure_ : capabilities_clear_;
  }
  // Null: not offered. Case-insensitive.
  [[nodiscard]] const SaslMechanism* find_mechanism(std::string_view name) const;

 private:
  [[nodiscard]] std::string make_capabilities(bool secure) const;

  ClientLoginOptions options_;
  std::string capabilities_clear_;
  std::string capabilities_secure_;
  std::string greeting_;
};

// The client's side of IMAP up to the login: the not-authenticated state of RFC 3501 and RFC 9051
// with ID (2971), ENABLE (5161), SASL-IR (4959) and LITERAL+ (7888).
class ClientLogin final : public dialogue::ClientDialogue {
 public:
  explicit ClientLogin(const ClientLoginProfile& profile);

  void greet(std::string& out) override;
  dialogue::Step on_bytes(std::string_view in, std::string& out) override;
  void on_tls_established() override;
  void on_challenge(std::string_view challenge, std::string& out) override;
  dialogue::Action on_login_failed(dialogue::LoginFailure failure, std::string& out) override;
  void on_login_succeeded(const dialogue::BackendWelcome& welcome, std::string& out) override;
  void farewell(dialogue::CloseReason reason, std::string& out) override;

  [[nodiscard]] std::string_view state_name() const override;
  [[nodiscard]] const std::vector<dialogue::IdField>& client_id() const override { return id_; }
  [[nodiscard]] bool awaiting_answer() const override;
  [[nodiscard]] unsigned bad_commands() const override { return bad_commands_; }
  [[nodiscard]] const dialogue::LimitHits& limit_hits() const override { return limit_hits_; }
};

}  // namespace headgate::imap
