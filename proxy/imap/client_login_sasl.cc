// AUTHENTICATE, from its command line to the credentials or the user source.

#include <utility>

#include "base/base64.h"
#include "imap/arguments.h"
#include "imap/client_login.h"
#include "imap/syntax.h"

namespace headgate::imap {

namespace {

using dialogue::Action;
using dialogue::Authenticate;
using dialogue::LoginFailure;
using dialogue::NoAction;

template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

}  // namespace

Action ClientLogin::on_authenticate(std::string_view arguments, std::string& out) {
  Arguments cursor(arguments);
  const bool space = cursor.take(' ');
  const std::string_view name = cursor.word();
  if (!space || !is_atom(name)) {
    return bad("AUTHENTICATE takes a mechanism.", out);
  }
  if (!secure_) {
    return refuse(LoginFailure::kPrivacyRequired, out);
  }
  mechanism_ = profile_.find_mechanism(name);
  if (mechanism_ == nullptr || (mechanism_->by_certificate && !certified_) ||
      (mechanism_->tied && !bound_)) {
    out += tag_;
    out += " NO [CANNOT] Unsupported authentication mechanism.\r\n";
    end_command(State::kCommand);
    return NoAction{};
  }
  exchange_ = mechanism_->make != nullptr ? mechanism_->make() : nullptr;
  if (cursor.at_end()) {
    reader_.next();
    return on_sasl_message(true, nullptr, out);
  }
  cursor.take(' ');
  const std::string_view encoded = cursor.word();
  // An empty initial response is "=" (RFC 4959).
  const auto initial = encoded == "=" ? Secret() : base64_decode(encoded);
  if (encoded.empty() || !cursor.at_end() || !initial) {
    return bad("Invalid base64 in the initial response.", out);
  }
  reader_.next();
  return on_sasl_message(true, &*initial, out);
}

Action ClientLogin::on_sasl_line(std::string& out) {
  const std::string_view line = reader_.text();
  if (reader_.bare_line_feed()) {
    return bad("Lines must end in CRLF.", out);
  }
  const bool refused = refused_;
  if (line == "*") {
    // A source has worked for an exchange with it, so giving that up is not for free.
    const bool counts = refused || in_exchange();
    out += tag_;
    out += " BAD Authentication cancelled.\r\n";
    end_command(State::kCommand);
    return counts ? count_failure(std::exchange(refusal_, {}).last, out) : NoAction{};
  }
  if (refused) {
    const Refusal refusal = std::exchange(refusal_, {});
    out += refusal.reply;
    end_command(State::kCommand);
    return count_failure(refusal.last, out);
  }
  const std::optional<Secret> response = base64_decode(line);
  if (!response) {
    return bad("Invalid base64.", out);
  }
  reader_.next();
  return on_sasl_message(false, &*response, out);
}

Action ClientLogin::on_sasl_message(bool initial, const Secret* message, std::string& out) {
  if (exchange_ != nullptr) {
    if (initial) {
      return on_sasl_step(exchange_->begin(message), out);
    }
    return on_sasl_step(exchange_->on_response(*message), out);
  }
  state_ = State::kSaslSource;
  return dialogue::SaslResponse{mechanism_->name, initial, message != nullptr,
                                message != nullptr ? message->clone() : Secret()};
}

Action ClientLogin::on_sasl_step(SaslStep step, std::string& out) {
  return std::visit(
      Overloaded{
          [&](const SaslChallenge& next) -> Action {
            challenge(next.bytes, out);
            return NoAction{};
          },
          [&](SaslDone& done) -> Action {
            reader_.next();
            reader_.set_literals(true);
            state_ = State::kAuthenticating;
            return Authenticate{std::move(done.credentials)};
          },
          [&](const SaslRefused& refused) -> Action { return refuse(refused.failure, out); },
      },
      step);
}

void ClientLogin::challenge(std::string_view bytes, std::string& out) {
  out += "+ ";
  out += base64_encode(bytes);
  out += "\r\n";
  reader_.set_literals(false);
  state_ = State::kSaslResponse;
}

void ClientLogin::on_challenge(std::string_view bytes, std::string& out) {
  if (state_ == State::kSaslSource) {
    challenge(bytes, out);
  }
}

}  // namespace headgate::imap
