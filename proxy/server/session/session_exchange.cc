#include <algorithm>
#include <string>
#include <utility>

#include "config/mechanisms.h"
#include "server/session/login.h"
#include "server/session/overloaded.h"
#include "server/session/session.h"
#include "server/worker.h"

// Logins by mechanisms of several rounds, which a user source judges.
namespace headgate::server {

using metrics::Phase;

// The client's next message. The first one begins an attempt; the guard against guessing is asked
// as soon as a message may tell who it is, the policy server then, and the sources after that.
void Session::next_round() {
  const dialogue::SaslResponse round = login_->client.take_round();
  if (round.initial) {
    begin_attempt();
    login_->exchange = login_->generation->exchanges->begin(round.mechanism, channel_bindings());
    login_->credentials.mechanism = round.mechanism;
  }
  Login& login = *login_;
  login.asked_at = Login::Clock::now() - login.spent;
  enter(Phase::kLookUp);
  login.exchange->take(round.has_response ? &round.response : nullptr);
  user_ = login.credentials.user = login.exchange->user();
  if (!round.has_response || std::exchange(login.guarded, true)) {
    ask_sources();
  } else if (pass_guess_guard()) {
    consult_policy();
  }
}

// Not from here: the client may have sent its next message already, and so on, frame upon frame.
void Session::on_round_answered(auth::ExchangeAnswer answer) {
  Login& login = *login_;
  if (auto* end = std::get_if<auth::ChainResult>(&answer)) {
    if (std::holds_alternative<auth::Accepted>(end->result)) {
      login.proven = true;
      login.exchange.reset();
    }
    on_looked_up(end->result, end->source);
    return;
  }
  login.spent = Login::Clock::now() - login.asked_at;
  login.challenge = std::move(std::get<auth::Challenge>(answer).bytes);
  login.answer_due = true;
  if (!std::exchange(queued_, true)) {
    worker_.run_again(*this);
  }
}

void Session::send_challenge() {
  const std::string challenge = *std::exchange(login_->challenge, std::nullopt);
  enter(Phase::kClientLogin);
  after_client(login_->client.challenge(challenge));
}

// A reload has made the route be asked for again, by the name that the exchange has proven.
void Session::route_known(auth::Route known, std::size_t source) {
  if (login_->proven) {
    route(std::move(known), source);
  } else {
    fail_login(dialogue::LoginFailure::kInternal, "nobody has judged the client");
  }
}

// The client has cancelled it, or begins something else.
void Session::give_up_exchange() {
  Login& login = *login_;
  login.exchange.reset();
  login.challenge.reset();
  login.credentials = {};
  login.spent = {};
  login.guarded = login.proven = false;
  worker_.guesses().end(login.guess);
}

// None where clients are not offered to tie an exchange to their TLS connection.
net::ChannelBindings Session::channel_bindings() const {
  return std::ranges::any_of(login_->context.listener.sasl, config::ties_to_tls)
             ? client_->transport().channel_bindings()
             : net::ChannelBindings{};
}

}  // namespace headgate::server
