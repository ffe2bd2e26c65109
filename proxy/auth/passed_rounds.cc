#include "auth/passed_rounds.h"

#include <utility>
#include <variant>

#include "auth/gsasl_server.h"
#include "base/one_line.h"
#include "base/utf8.h"

namespace headgate::auth {
namespace {

// Who a message is from, where a mechanism tells it in the clear; else nobody.
std::string user_in(std::string_view mechanism, std::string_view message) {
  std::string user;
  if (mechanism == "CRAM-MD5") {
    user = message.substr(0, message.rfind(' '));
  } else if (mechanism.starts_with("SCRAM-")) {
    GsaslServer reader(mechanism);
    if (reader.step(message)) {
      user = reader.user();
    }
  }
  return is_one_line(user) && is_utf8(user) ? user : std::string();
}

}  // namespace

void PassedRounds::take(const Secret* message) {
  auto round = std::make_shared<Round>();
  round->conversation = conversation_;
  if (message != nullptr) {
    round->message = message->clone();
    if (user_.empty()) {
      user_ = user_in(mechanism_, message->view());
    }
  }
  round_ = std::move(round);
}

void PassedRounds::answer(const LoginRequest& request, Callback done) {
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
