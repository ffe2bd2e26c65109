#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/mechanisms.h"
#include "imap/backend_check.h"
#include "imap/backend_login.h"
#include "imap/client_login.h"
#include "imap/farewell.h"
#include "server/protocol.h"

namespace headgate::server {
namespace {

imap::SaslMechanism mechanism(const config::Mechanism& mechanism) {
  switch (mechanism.kind) {
    case config::Mechanism::kPlain:
      break;
    case config::Mechanism::kLogin:
      return imap::sasl_login();
    case config::Mechanism::kXoauth2:
      return imap::sasl_xoauth2();
    case config::Mechanism::kOauthbearer:
      return imap::sasl_oauthbearer();
    case config::Mechanism::kScramSha256Plus:
    case config::Mechanism::kScramSha1Plus:
      return {.name = std::string(config::name(mechanism)), .tied = true};
    case config::Mechanism::kScramSha256:
    case config::Mechanism::kScramSha1:
    case config::Mechanism::kCramMd5:
    case config::Mechanism::kDigestMd5:
    case config::Mechanism::kGssapi:
    case config::Mechanism::kGssSpnego:
    case config::Mechanism::kOther:
      return {std::string(config::name(mechanism))};  // a user source judges
    case config::Mechanism::kExternal:
      return imap::sasl_external();
  }
  return imap::sasl_plain();
}

void set_mechanisms(const std::vector<config::Mechanism>& offered, const config::Login& login,
                    imap::ClientLoginOptions& options) {
  options.mechanisms.clear();
  options.login_command = false;
  for (const config::Mechanism& each : offered) {
    options.mechanisms.push_back(mechanism(each));
    if (each == config::Mechanism::kPlain || each == config::Mechanism::kLogin) {
      options.login_command = true;
    } else if (config::has_long_messages(each)) {
      options.max_sasl = login.max_sasl;
    }
  }
}

imap::ClientLoginOptions options(const config::Listener& listener, const config::Config& config) {
  const config::Login& login = config.login;
  imap::ClientLoginOptions options;
  set_mechanisms(config::offered(config, listener), login, options);
  options.secure = listener.tls != config::TlsMode::kStartTls;
  options.tls_available = listener.tls == config::TlsMode::kStartTls;
  options.greeting = login.greeting;
  options.capabilities_add = login.capabilities_add;
  options.capabilities_remove = login.capabilities_remove;
  options.max_line = login.max_line;
  options.max_literal = login.max_literal;
  options.max_total = login.max_total;
  options.max_failures = login.max_failures;
  options.max_bad_commands = login.max_bad_commands;
  return options;
}

class ImapProtocol final : public Protocol {
 public:
  ImapProtocol(const config::Listener& listener, const config::Config& config)
      : profile_(options(listener, config)) {}

  [[nodiscard]] std::unique_ptr<dialogue::ClientDialogue> client() const override {
    return std::make_unique<imap::ClientLogin>(profile_);
  }
  [[nodiscard]] std::unique_ptr<dialogue::BackendDialogue> backend(bool starttls) const override {
    return std::make_unique<imap::BackendLogin>(imap::BackendLoginOptions{.starttls = starttls});
  }
  // "a7 IDLE" is the whole of a command (RFC 2177), so these bytes at the end of what the client
  // sent mean that it now waits; inside a literal they are rare and harmless.
  [[nodiscard]] bool waits_for_news(std::string_view tail) const override {
    constexpr std::string_view kIdle = " IDLE\r\n";
    if (tail.size() < kIdle.size()) {
      return false;
    }
    tail.remove_prefix(tail.size() - kIdle.size());
    for (std::size_t i = 0; i < kIdle.size(); ++i) {
      const char byte =
          tail[i] >= 'a' && tail[i] <= 'z' ? static_cast<char>(tail[i] - 32) : tail[i];
      if (byte != kIdle[i]) {
        return false;
      }
    }
    return true;
  }
  [[nodiscard]] std::string_view switch_mark() const override { return imap::kEndOfCompress; }
  [[nodiscard]] bool between_responses(const relay::Tail& to_backend,
                                       const relay::Tail& to_client) const override {
    return imap::between_responses({to_backend.bytes, to_backend.whole},
                                   {to_client.bytes, to_client.whole});
  }
  [[nodiscard]] bool end_announced(const relay::Tail& to_backend,
                                   const relay::Tail& to_client) const override {
    return imap::end_announced({to_backend.bytes, to_backend.whole},
                               {to_client.bytes, to_client.whole});
  }
  [[nodiscard]] std::string farewell(dialogue::CloseReason reason) const override {
    return imap::established_farewell(reason);
  }

 private:
  imap::ClientLoginProfile profile_;
};

}  // namespace

std::unique_ptr<Protocol> make_imap(const config::Listener& listener,
                                    const config::Config& config) {
  return std::make_unique<ImapProtocol>(listener, config);
}

std::span<const std::string_view> imap_states() {
  return imap::ClientLogin::state_names();
}

std::unique_ptr<dialogue::BackendCheck> make_imap_check(dialogue::CheckLevel level, bool starttls) {
  return std::make_unique<imap::BackendCheck>(level, starttls);
}

}  // namespace headgate::server
