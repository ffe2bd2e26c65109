#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "dialogue/backend_check.h"
#include "imap/backend_login.h"
#include "imap/response_reader.h"

namespace headgate::imap {

// A check over IMAP: BackendLogin as far as the level asks, then SELECT INBOX, FETCH of a header
// of the last message where there is one (which reads the mail store and changes no flag), NOOP,
// LOGOUT.
class BackendCheck final : public dialogue::BackendCheck {
 public:
  BackendCheck(dialogue::CheckLevel level, bool starttls);

  dialogue::BackendStep on_bytes(std::string_view in, Secret& out) override;
  dialogue::BackendStep on_tls_established(Secret& out) override;
  // Below level login the request's account is not used.
  dialogue::BackendStep log_in(dialogue::BackendLoginRequest request, Secret& out) override;

  [[nodiscard]] dialogue::BackendFailed on_closed() const override;
  // That of the login, then "select", "fetch", "noop", "logout".
  [[nodiscard]] std::string_view state_name() const override;
  [[nodiscard]] dialogue::CheckStage stage() const override;

 private:
  enum class Step : std::uint8_t { kGreeting, kLogin, kSelect, kFetch, kNoop, kLogout, kOver };

  // What the login's machine reported, as the check sees it.
  dialogue::BackendEvent take(dialogue::BackendEvent event, Secret& out);
  dialogue::BackendEvent on_ready(Secret& out);
  dialogue::BackendEvent on_response(Secret& out);
  dialogue::BackendEvent on_reply(Secret& out);
  void send(Step step, std::string_view command, Secret& out);
  dialogue::BackendEvent fail(dialogue::LoginFailure failure, std::string detail);
  [[nodiscard]] bool in_login() const { return step_ == Step::kGreeting || step_ == Step::kLogin; }

  const dialogue::CheckLevel level_;
  BackendLogin login_;
  std::optional<dialogue::BackendLoginRequest> request_;  // until the greeting is there
  bool ready_ = false;
  Step step_ = Step::kGreeting;
  bool messages_ = false;  // the mailbox has some
  ResponseReader reader_;
};

}  // namespace headgate::imap
