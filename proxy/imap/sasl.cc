#include "imap/sasl.h"

#include <optional>
#include <utility>

#include "base/one_line.h"
#include "base/utf8.h"

namespace headgate::imap {

namespace {

using dialogue::LoginFailure;

class PlainExchange final : public SaslExchange {
 public:
  // [authzid] NUL authcid NUL passwd
  SaslStep on_response(const Secret& response) override {
    const std::string_view message = response.view();
    const std::size_t first = message.find('\0');
    const std::size_t second = first == message.npos ? first : message.find('\0', first + 1);
    if (second == message.npos) {
      return SaslRefused{LoginFailure::kWrongCredentials};
    }
    const std::string_view authorization = message.substr(0, first);
    const std::string_view user = message.substr(first + 1, second - first - 1);
    if (!authorization.empty() && authorization != user) {
      return SaslRefused{LoginFailure::kAuthorizationRefused};
    }
    return make_credentials("PLAIN", user, message.substr(second + 1));
  }
};

class LoginExchange final : public SaslExchange {
 public:
  SaslStep on_response(const Secret& response) override {
    if (!user_) {
      user_.emplace(response.view());
      return SaslChallenge{"Password:"};
    }
    return make_credentials("LOGIN", *user_, response.view());
  }

 private:
  [[nodiscard]] std::string_view first_challenge() const override { return "Username:"; }

  std::optional<std::string> user_;
};

}  // namespace

bool acceptable_user(std::string_view user) {
  return !user.empty() && is_one_line(user) && is_utf8(user);
}

bool acceptable_secret(std::string_view secret) {
  return is_one_line(secret);
}

SaslStep make_credentials(std::string_view mechanism, std::string_view user,
                          std::string_view secret) {
  if (!acceptable_user(user) || !acceptable_secret(secret)) {
    return SaslRefused{LoginFailure::kWrongCredentials};
  }
  return SaslDone{{std::string(mechanism), std::string(user), Secret(secret)}};
}

SaslMechanism sasl_plain() {
  return {"PLAIN", make_exchange<PlainExchange>};
}

SaslMechanism sasl_login() {
  return {"LOGIN", make_exchange<LoginExchange>};
}

std::vector<SaslMechanism> default_mechanisms() {
  return {sasl_plain(), sasl_login()};
}

}  // namespace headgate::imap
