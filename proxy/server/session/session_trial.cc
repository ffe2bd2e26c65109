#include <string>
#include <utility>

#include "auth/pool_memory.h"
#include "base/log.h"
#include "base/printable.h"
#include "server/session/login.h"
#include "server/session/session.h"
#include "server/worker.h"

// A session whose user may live in one of several pools: each is asked in its turn.
namespace headgate::server {

using dialogue::LoginFailure;

// A backend has ended the login. Whether it goes on at the next pool, since this one says that the
// password is wrong; in the time that is left, and with the credentials, which are kept until then.
bool Session::ask_next_pool() {
  Login& login = *login_;
  auth::PoolTrial* trial = login.route.trial.get();
  if (trial == nullptr || login.failure != LoginFailure::kWrongCredentials) {
    return false;
  }
  const std::string refused_by = trial->pool();
  if (!trial->next()) {
    return false;
  }
  login.pool_refused = true;
  log::debug("pool refuses the user, the next one is asked", {{"session", id()},
                                                              {"user", printable(user_)},
                                                              {"pool", refused_by},
                                                              {"next", trial->pool()}});
  worker_.users().leave(lease_);
  if (worker_.loop().now_ms() >= login.deadline_ms) {
    fail_login(LoginFailure::kBackendTimeout, "no time was left to ask pool " + trial->pool());
    return true;
  }
  const auto routed = snapshot().routing.route(login.credentials.user, login.route, login.source);
  if (!routed) {
    fail_login(LoginFailure::kNoBackend, routed.error());
    return true;
  }
  login.pool = routed->pool;
  enter_pool(*routed);
  return true;
}

// A backend has let the user in, whatever else may still keep the session out.
void Session::remember_pool() {
  Login& login = *login_;
  if (!login.route.trial) {
    return;
  }
  const auto trial = std::exchange(login.route.trial, nullptr);
  trial->let_in();
  if (std::exchange(login.pool_refused, false)) {
    log::info(
        "user found in another pool",
        {{"session", id()}, {"user", printable(user_)}, {"pool", std::string_view(trial->pool())}});
  }
}

}  // namespace headgate::server
