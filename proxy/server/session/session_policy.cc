#include <string>
#include <utility>

#include "base/log.h"
#include "base/printable.h"
#include "server/session/login.h"
#include "server/session/session.h"
#include "server/worker.h"

// A session before the policy server.
namespace headgate::server {

using dialogue::LoginFailure;

namespace {

// As Dovecot has it: the arguments of the client's ID.
std::string device_of(const std::vector<dialogue::IdField>& fields) {
  std::string device;
  for (const dialogue::IdField& field : fields) {
    device.append(device.empty() ? "\"" : " \"").append(field.key).append("\" ");
    device.append(field.nil ? "NIL" : "\"" + field.value + "\"");
  }
  return device;
}

bool is_exempt(const config::PolicyServer& policy, const IpAddress& client) {
  for (const Network& network : policy.exempt) {
    if (network.contains(client)) {
      return true;
    }
  }
  return false;
}

}  // namespace

// What the server is asked and told about this attempt; nothing where it has no say.
void Session::begin_policy() {
  Login& login = *login_;
  login.policy.reset();
  const auto& policy = snapshot().config.login.policy;
  if (!policy || is_exempt(*policy, client_endpoint_.ip)) {
    return;
  }
  const dialogue::Credentials& given = login.credentials;
  sources::PolicyLogin& about = login.policy.emplace();
  about.user = given.user;
  if (given.by_password()) {
    about.password_hash =
        sources::policy_hash(policy->nonce, given.user, given.secret, policy->hash_bits);
  }
  about.remote = client_endpoint_.ip.to_string();
  about.device = device_of(login.client.dialogue()->client_id());
  about.session_id = id();
  about.listener = login.context.listener.name;
  about.tls = client_->transport().is_tls();
}

// Asks the server where it has a say, and the user sources when it has no objection.
void Session::consult_policy() {
  Login& login = *login_;
  begin_policy();
  // Who comes with a token alone has no name yet.
  if (!login.policy || !snapshot().config.login.policy->check || login.policy->user.empty()) {
    ask_sources();
    return;
  }
  auto question = login.generation->policy->ask(
      *login.policy, [this](std::expected<sources::PolicyVerdict, std::string> verdict) {
        login_->policy_question.reset();
        on_policy(std::move(verdict));
      });
  if (question) {
    login.policy_question = *question;
  } else {
    on_policy(std::unexpected(std::move(question.error())));
  }
}

void Session::on_policy(std::expected<sources::PolicyVerdict, std::string> verdict) {
  Login& login = *login_;
  if (!verdict) {
    if (snapshot().config.login.policy->without_answer == config::WithoutPolicy::kRefuse) {
      fail_login(LoginFailure::kLookupUnavailable, verdict.error());
    } else {
      ask_sources();
    }
    return;
  }
  if (verdict->refused) {
    report_to_policy(false, true);
    fail_login(LoginFailure::kPolicy, verdict->message);
    return;
  }
  if (verdict->delay.count() == 0) {
    ask_sources();
    return;
  }
  log::info("policy server delays a login", {{"session", id()},
                                             {"user", printable(user_)},
                                             {"client", client_endpoint_.to_string()},
                                             {"delay_s", std::int64_t{verdict->delay.count()}},
                                             {"message", printable(verdict->message)}});
  login.pause_for = Login::Pause::kPolicyDelay;
  worker_.timers().arm(login.pause, net::to_ms(verdict->delay));
}

void Session::report_to_policy(bool success, bool refused_by_policy) {
  Login& login = *login_;
  if (!login.policy || !snapshot().config.login.policy->report ||
      (login.policy->user.empty() && user_.empty())) {
    return;
  }
  if (login.policy->user.empty()) {
    login.policy->user = user_;  // the token, or the certificate, has said who it is
  }
  login.generation->policy->report(*login.policy, success, refused_by_policy);
}

// When the session ends while the server is being asked.
void Session::give_up_policy() {
  if (login_ && login_->policy_question) {
    login_->generation->policy->cancel(*std::exchange(login_->policy_question, std::nullopt));
  }
}

}  // namespace headgate::server
