#include <string>

#include "server/session/login.h"
#include "server/session/session.h"
#include "server/worker.h"

// A session before the guard against guessing.
namespace headgate::server {

// False: the login is refused, or goes on after a wait.
bool Session::pass_guess_guard() {
  Login& login = *login_;
  const auto verdict =
      worker_.guesses().begin(login.guess, client_endpoint_.ip, login.credentials.user,
                              static_cast<std::int64_t>(worker_.loop().now_ms()));
  if (verdict.refused) {
    worker_.metrics().guesses_refused[metrics::index(verdict.limit)].add();
    fail_login(*verdict.refused,
               "too many failed logins, by " + std::string(metrics::name(verdict.limit)));
    return false;
  }
  if (verdict.delay.count() == 0) {
    return true;
  }
  worker_.metrics().guess_delay.observe(verdict.delay);
  login.pause_for = Login::Pause::kGuessDelay;
  worker_.timers().arm(login.pause, net::to_ms(verdict.delay));
  return false;
}

void Session::count_wrong_password() {
  const bool counted = worker_.guesses().failed(login_->guess, login_->credentials,
                                                static_cast<std::int64_t>(worker_.loop().now_ms()));
  worker_.metrics().failures_counted[counted ? 1 : 0].add();
}

void Session::become_known() {
  worker_.guesses().succeeded(login_->guess, static_cast<std::int64_t>(worker_.loop().now_ms()));
  worker_.guesses().end(login_->guess);
}

}  // namespace headgate::server
