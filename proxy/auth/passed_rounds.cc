#include "auth/passed_rounds.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/ascii.h"
#include "base/one_line.h"
#include "base/utf8.h"
#include "proof/scram_server.h"

namespace headgate::auth {
namespace {

constexpr std::string_view kDigestSpace = " \t\r\n";

// What stands before one of `ends`, cut off `rest`, without space around it.
std::string_view take_digest_word(std::string_view& rest, std::string_view ends) {
  rest.remove_prefix(std::min(rest.find_first_not_of(kDigestSpace), rest.size()));
  std::string_view word = rest.substr(0, rest.find_first_of(ends));
  rest.remove_prefix(word.size());
  return word.substr(0, word.find_last_not_of(kDigestSpace) + 1);
}

// A value, which may be between quotes, cut off `rest`.
std::string take_digest_value(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of(kDigestSpace), rest.size()));
  if (!rest.starts_with('"')) {
    return std::string(take_digest_word(rest, ","));
  }
  std::string value;
  std::size_t at = 1;
  for (; at < rest.size() && rest[at] != '"'; ++at) {
    at += rest[at] == '\\' && at + 1 < rest.size() ? 1U : 0U;
    value += rest[at];
  }
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return value;
}

// The value of a key of a DIGEST-MD5 message (RFC 2831, section 7.1); empty: there is none.
std::string digest_value(std::string_view key, std::string_view message) {
  while (!message.empty()) {
    const std::string_view name = take_digest_word(message, "=,");
    std::string value;
    if (message.starts_with('=')) {
      message.remove_prefix(1);
      value = take_digest_value(message);
    }
    if (equals_ignoring_case(name, key)) {
      return value;
    }
    message.remove_prefix(
        std::min(std::min(message.find(','), message.size()) + 1, message.size()));
  }
  return {};
}

// As Dovecot puts the two together.
std::string digest_user(std::string_view message) {
  std::string user = digest_value("username", message);
  const std::string realm = digest_value("realm", message);
  return user.empty() || realm.empty() || user.contains('@') ? user : user + "@" + realm;
}

}  // namespace

std::string user_in_message(std::string_view mechanism, std::string_view message) {
  std::string user;
  if (mechanism == "CRAM-MD5") {
    user = message.substr(0, message.rfind(' '));
  } else if (mechanism == "DIGEST-MD5") {
    user = digest_user(message);
  } else if (mechanism == "OTP") {
    user = message.substr(std::min(message.find('\0'), message.size() - 1) + 1);  // RFC 2444
  } else if (mechanism.starts_with("SCRAM-")) {
    proof::ScramServer reader(net::Digest::kSha256, false, {});
    if (reader.read_first(message)) {
      user = reader.user();
    }
  }
  return is_one_line(user) && is_utf8(user) ? user : std::string();
}

void PassedRounds::take(const Secret* message) {
  auto round = std::make_shared<Round>();
  round->conversation = conversation_;
  if (message != nullptr) {
    round->message = message->clone();
    if (user_.empty()) {
      user_ = user_in_message(mechanism_, message->view());
    }
  }
  round_ = std::move(round);
}

void PassedRounds::answer(const LoginRequest& request, Callback done) {
  if (++rounds_ > kMost) {
    done(ChainResult{Rejected{.failure = dialogue::LoginFailure::kWrongCredentials,
                              .detail = "more rounds than any mechanism takes"}});
    return;
  }
  LoginRequest asked = request;
  asked.round = round_;
  const std::weak_ptr<const bool> alive = alive_;
  Chain::Ticket ticket = chain_.look_up(
      asked, [this, done = std::move(done)](ChainResult found) { on_answer(found, done); });
  if (!alive.expired()) {
    ticket_ = std::move(ticket);
  }
}

// May destroy this object.
void PassedRounds::on_answer(ChainResult& found, const Callback& done) {
  if (auto* challenge = std::get_if<Challenge>(&found.result)) {
    conversation_ = challenge->conversation;
    done(std::move(*challenge));
    return;
  }
  if (std::holds_alternative<Known>(found.result)) {
    found.result = Rejected{.failure = dialogue::LoginFailure::kInternal,
                            .detail = "the user source does not judge rounds"};
  }
  done(std::move(found));
}

}  // namespace headgate::auth
