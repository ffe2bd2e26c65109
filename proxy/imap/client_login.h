#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "dialogue/client_dialogue.h"
#include "imap/client_login_profile.h"
#include "imap/command.h"
#include "imap/command_reader.h"
#include "imap/sasl.h"

namespace headgate::imap {

// The client's side of IMAP up to the login: the not-authenticated state of RFC 3501 and RFC 9051
// with ID (2971), ENABLE (5161), SASL-IR (4959) and LITERAL+ (7888).
class ClientLogin final : public dialogue::ClientDialogue {
 public:
  explicit ClientLogin(const ClientLoginProfile& profile);

  void greet(std::string& out) override;
  dialogue::Step on_bytes(std::string_view in, std::string& out) override;
  void on_tls_established() override;
  void on_certificate() override { certified_ = true; }
  void on_unbound() override { bound_ = false; }
  void on_challenge(std::string_view challenge, std::string& out) override;
  dialogue::Action on_login_failed(const dialogue::Refusal& refusal, std::string& out) override;
  void on_login_succeeded(const dialogue::BackendWelcome& welcome, std::string& out) override;
  void farewell(dialogue::CloseReason reason, std::string& out) override;

  [[nodiscard]] std::string_view state_name() const override;
  static std::span<const std::string_view> state_names();
  [[nodiscard]] const std::vector<dialogue::IdField>& client_id() const override { return id_; }
  [[nodiscard]] bool in_exchange() const override;
  [[nodiscard]] bool awaiting_answer() const override;
  [[nodiscard]] unsigned bad_commands() const override { return bad_commands_; }
  [[nodiscard]] const dialogue::LimitHits& limit_hits() const override { return limit_hits_; }

  enum class State : std::uint8_t {
    kGreeting,        // nothing said yet
    kCommand,         // a command is expected
    kCommandBegun,    // a part of one is here
    kLiteral,         // a part of one is here, and the client was told or had announced a literal
    kSkipping,        // a refused command is read to its end
    kSaslResponse,    // a SASL challenge is out
    kSaslSource,      // a SASL response is with the user source
    kAuthenticating,  // credentials are with the user source
    kStartTls,        // TLS handshake
    kClosing,         // the last word is said
    kLoggedIn,
  };

 private:
  // Refused before its last byte was here; answered when it is over.
  struct Refusal {
    std::string reply;
    bool bad = false;   // counts as a bad command
    bool last = false;  // the session ends with it
  };

  dialogue::Action on_event(CommandReader::Event event, std::string& out);
  dialogue::Action on_command(std::string& out);
  dialogue::Action on_literal(std::string& out);
  dialogue::Action on_skipped(std::string& out);
  dialogue::Action on_login(std::string_view arguments, std::string& out);
  dialogue::Action on_authenticate(std::string_view arguments, std::string& out);
  dialogue::Action on_sasl_line(std::string& out);
  dialogue::Action on_simple_command(const CommandLine& line, std::string& out);
  dialogue::Action on_starttls(std::string& out);
  dialogue::Action on_id(std::string_view arguments, std::string& out);
  dialogue::Action on_enable(std::string_view arguments, std::string& out);

  // The three ways on from a message of a mechanism.
  dialogue::Action on_sasl_message(bool initial, const Secret* message, std::string& out);
  dialogue::Action on_sasl_step(SaslStep step, std::string& out);
  void challenge(std::string_view bytes, std::string& out);

  // What is wrong with a command whose literal is announced; nothing: the literal is welcome.
  std::optional<Refusal> judge_literal(const CommandLine& line);
  [[nodiscard]] std::string bad_reply(std::string_view tag, std::string_view text) const;
  dialogue::Action bad(std::string_view text, std::string& out);
  dialogue::Action count_bad(std::string& out);
  void ok(std::string_view text, std::string& out) const;
  dialogue::Action refuse(const dialogue::Refusal& refusal, std::string& out);
  dialogue::Action count_failure(bool last, std::string& out);
  dialogue::Action close(dialogue::CloseReason reason, std::string& out);
  void end_command(State next);

  const ClientLoginProfile& profile_;
  State state_ = State::kGreeting;
  bool secure_;
  bool certified_ = false;  // the client has shown a verified certificate
  bool bound_ = true;       // what is tied to the TLS connection can be
  // CAPABILITY was asked for since the greeting or TLS: such a client may not read response codes.
  bool asked_capability_ = false;
  unsigned bad_commands_ = 0;
  unsigned failures_ = 0;
  std::size_t total_ = 0;  // bytes taken so far
  dialogue::LimitHits limit_hits_;
  CommandReader reader_;
  std::string tag_;  // of the command in progress; empty: it had no valid one
  Refusal refusal_;
  std::vector<dialogue::IdField> id_;
  // Of the AUTHENTICATE in progress; without an exchange it is the user source that judges.
  const SaslMechanism* mechanism_ = nullptr;
  std::unique_ptr<SaslExchange> exchange_;
  // Its credentials were refused and the client is told why; refusal_ follows its answer to that.
  bool refused_ = false;
};

}  // namespace headgate::imap
