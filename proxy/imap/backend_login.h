#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "dialogue/backend_dialogue.h"
#include "imap/capability_list.h"
#include "imap/response_line.h"
#include "imap/response_reader.h"

namespace headgate::imap {

struct BackendLoginOptions {
  bool starttls = false;  // the pool wants STARTTLS; false: plain, or TLS from the first byte
};

// The backend's side of IMAP up to the end of the login: greeting, STARTTLS, CAPABILITY where it
// was not told, then ID and LOGIN or AUTHENTICATE in one write.
class BackendLogin final : public dialogue::BackendDialogue {
 public:
  // Of untagged lines that came during the login, what is kept for the client.
  static constexpr std::size_t kMaxUntagged = 16384;

  explicit BackendLogin(BackendLoginOptions options);

  dialogue::BackendStep on_bytes(std::string_view in, Secret& out) override;
  dialogue::BackendStep on_tls_established(Secret& out) override;
  dialogue::BackendStep log_in(dialogue::BackendLoginRequest request, Secret& out) override;

  [[nodiscard]] dialogue::BackendFailed on_closed() const override;
  // "id+login/greeting": the commands without a reply yet, and what was replied last.
  [[nodiscard]] std::string_view state_name() const override { return state_name_; }

  enum class State : std::uint8_t {
    kGreeting,            // nothing came yet
    kClearCapability,     // CAPABILITY asked, to learn whether there is STARTTLS
    kStartTls,            // STARTTLS asked
    kTlsHandshake,        // with the driver
    kCapability,          // CAPABILITY asked, to learn how to log in
    kReady,               // log_in() is waited for
    kLogin,               // ID, and LOGIN or AUTHENTICATE, asked
    kLoggedInCapability,  // let in without a word on capabilities: CAPABILITY asked once more
    kOver,
  };

 private:
  // Commands without a tagged reply yet, as bits.
  enum Sent : std::uint8_t {
    kNothing = 0,
    kSentStartTls = 1,
    kSentCapability = 2,
    kSentId = 4,
    kSentLogin = 8,
    kSentAuthenticate = 16,
  };
  // What the backend said last.
  enum class Received : std::uint8_t {
    kNone,
    kGreeting,
    kStartTls,
    kCapability,
    kId,
    kContinuation,
    kLogin,
    kBye,
  };

  dialogue::BackendEvent on_response(Secret& out);
  dialogue::BackendEvent on_greeting(const ResponseLine& line, Secret& out);
  dialogue::BackendEvent on_untagged(const ResponseLine& line);
  dialogue::BackendEvent on_tagged(const ResponseLine& line, Secret& out);
  dialogue::BackendEvent on_continuation(Secret& out);
  dialogue::BackendEvent on_capability_reply(const ResponseLine& line, Secret& out);
  dialogue::BackendEvent on_starttls_reply(const ResponseLine& line);
  dialogue::BackendEvent on_id_reply(const ResponseLine& line);
  dialogue::BackendEvent on_login_reply(const ResponseLine& line, Secret& out);

  dialogue::BackendEvent ask_starttls(Secret& out);
  void ask_capability(State next, Secret& out);
  // Everything is known that a login needs: send it, or say that it could be sent.
  dialogue::BackendEvent be_ready(Secret& out);
  dialogue::BackendEvent send_login(Secret& out);
  dialogue::BackendEvent logged_in();
  dialogue::BackendEvent fail(dialogue::LoginFailure failure, std::string detail);
  dialogue::BackendEvent fail(dialogue::LoginFailure failure, std::string_view what,
                              const ResponseLine& line);

  void learn_capabilities(std::string_view text);
  void keep_for_client();
  void sent(Sent command);
  void received(Received reply, Sent answered = kNothing);
  void name_state();

  BackendLoginOptions options_;
  State state_ = State::kGreeting;
  unsigned sent_ = kNothing;
  Received received_ = Received::kNone;
  bool said_bye_ = false;
  // Capabilities were told since the login was sent: they are what the client gets.
  bool capabilities_are_fresh_ = false;
  ResponseReader reader_;
  CapabilityList capabilities_;
  std::optional<dialogue::BackendLoginRequest> request_;
  // Parts of the login that wait for a "+", the next one last.
  std::vector<Secret> on_continuation_;
  dialogue::BackendWelcome welcome_;
  std::string state_name_;
};

}  // namespace headgate::imap
