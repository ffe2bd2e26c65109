// XOAUTH2 (Google's, as Microsoft and others took it over) and OAUTHBEARER (RFC 7628).

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/ascii.h"
#include "imap/sasl.h"

namespace headgate::imap {

namespace {

using dialogue::LoginFailure;

constexpr char kSeparator = '\x01';
constexpr std::string_view kScheme = "Bearer ";

// b64token of RFC 6750: what may stand in an Authorization header, and so in a request that checks
// the token.
bool is_token(std::string_view text) {
  const std::size_t end = std::min(text.find_last_not_of('=') + 1, text.size());
  return end > 0 && std::ranges::all_of(text.substr(0, end), [](char byte) {
           return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
                  (byte >= '0' && byte <= '9') ||
                  std::string_view("-._~+/").find(byte) != std::string_view::npos;
         });
}

// The next piece up to the separator, which goes too; nullopt: there is no further separator.
std::optional<std::string_view> take_piece(std::string_view& message) {
  const std::size_t end = message.find(kSeparator);
  if (end == message.npos) {
    return std::nullopt;
  }
  const std::string_view piece = message.substr(0, end);
  message.remove_prefix(end + 1);
  return piece;
}

// The token of "key=value" pairs, each behind its separator, and one more separator at the end.
// Pairs other than auth (host and port, say) are for others. nullopt: no such list, or no token.
std::optional<std::string_view> find_token(std::string_view pairs) {
  std::optional<std::string_view> token;
  for (auto pair = take_piece(pairs); pair; pair = take_piece(pairs)) {
    if (pair->empty()) {
      return pairs.empty() ? token : std::nullopt;
    }
    constexpr std::string_view kKey = "auth=";
    if (pair->find('=') == pair->npos || (pair->starts_with(kKey) && token)) {
      return std::nullopt;
    }
    if (pair->starts_with(kKey)) {
      const std::string_view value = pair->substr(kKey.size());
      const std::string_view scheme = value.substr(0, kScheme.size());
      if (!equals_ignoring_case(scheme, kScheme) || !is_token(value.substr(scheme.size()))) {
        return std::nullopt;
      }
      token = value.substr(scheme.size());
    }
  }
  return std::nullopt;
}

// saslname of RFC 5801: "=2C" and "=3D" stand for "," and "=".
std::optional<std::string> decode_name(std::string_view text) {
  std::string name;
  while (!text.empty()) {
    const std::size_t plain = std::min(text.find('='), text.size());
    name += text.substr(0, plain);
    text.remove_prefix(plain);
    if (!text.empty()) {
      const std::string_view escape = text.substr(0, 3);
      if (escape != "=2C" && escape != "=3D") {
        return std::nullopt;
      }
      name += escape == "=2C" ? ',' : '=';
      text.remove_prefix(escape.size());
    }
  }
  return name;
}

// The authorization identity of a GS2 header, "n,a=NAME," or "n,,"; empty: none. Channel binding
// ("p=") is not for this mechanism.
std::optional<std::string> parse_gs2_header(std::string_view header) {
  if (!header.starts_with("n,") && !header.starts_with("y,")) {
    return std::nullopt;
  }
  header.remove_prefix(2);
  if (header == ",") {
    return std::string();
  }
  if (!header.starts_with("a=") || !header.ends_with(',')) {
    return std::nullopt;
  }
  header.remove_prefix(2);
  header.remove_suffix(1);
  if (header.empty() || header.contains(',')) {
    return std::nullopt;
  }
  return decode_name(header);
}

// What both have in common: one message, and behind a refusal one challenge that says why, which
// the client answers with next to nothing before it is told no (RFC 7628, 3.2.3).
class TokenExchange : public SaslExchange {
 public:
  SaslStep on_response(const Secret& response) final {
    return malformed_ ? SaslRefused{LoginFailure::kWrongCredentials} : read(response.view());
  }
  [[nodiscard]] std::string last_challenge(const dialogue::Refusal& refusal) const final {
    if (!refusal.challenge.empty()) {
      return std::string(refusal.challenge);
    }
    const bool about_token = refusal.failure == LoginFailure::kWrongCredentials ||
                             refusal.failure == LoginFailure::kExpired ||
                             refusal.failure == LoginFailure::kAuthorizationRefused;
    return about_token ? std::string(invalid_token()) : std::string();
  }

 protected:
  [[nodiscard]] virtual SaslStep read(std::string_view message) = 0;
  [[nodiscard]] virtual std::string_view invalid_token() const = 0;
  [[nodiscard]] SaslStep malformed(std::string_view challenge) {
    malformed_ = true;
    return SaslChallenge{std::string(challenge)};
  }

 private:
  bool malformed_ = false;  // the client was told so
};

class Xoauth2Exchange final : public TokenExchange {
 protected:
  // user=NAME 01 auth=Bearer TOKEN 01 01
  SaslStep read(std::string_view message) override {
    constexpr std::string_view kKey = "user=";
    const auto user = take_piece(message);
    const auto token = find_token(message);
    if (!user || !user->starts_with(kKey) || !acceptable_user(user->substr(kKey.size())) ||
        !token) {
      return malformed(invalid_token());
    }
    return make_credentials("XOAUTH2", user->substr(kKey.size()), *token);
  }
  // As Google sends it: clients take "400" for a token that has to be fetched anew.
  [[nodiscard]] std::string_view invalid_token() const override {
    return R"({"status":"400","schemes":"Bearer","scope":""})";
  }
};

class OauthBearerExchange final : public TokenExchange {
 protected:
  // GS2-HEADER 01 *(KEY=VALUE 01) 01
  SaslStep read(std::string_view message) override {
    const auto header = take_piece(message);
    const auto user = header ? parse_gs2_header(*header) : std::nullopt;
    if (!user || (!user->empty() && !acceptable_user(*user))) {
      return malformed(R"({"status":"invalid_request"})");
    }
    const auto token = find_token(message);
    if (!token) {
      return malformed(invalid_token());  // none is what a client sends to learn of the failure
    }
    return SaslDone{{"OAUTHBEARER", *user, Secret(*token)}};
  }
  [[nodiscard]] std::string_view invalid_token() const override {
    return R"({"status":"invalid_token"})";
  }
};

}  // namespace

SaslMechanism sasl_xoauth2() {
  return {"XOAUTH2", make_exchange<Xoauth2Exchange>};
}

SaslMechanism sasl_oauthbearer() {
  return {"OAUTHBEARER", make_exchange<OauthBearerExchange>};
}

}  // namespace headgate::imap
