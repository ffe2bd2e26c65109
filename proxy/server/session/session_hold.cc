#include <algorithm>
#include <utility>

#include "server/session/login.h"
#include "server/session/session.h"
#include "server/worker.h"

// Logins of a user who is being moved wait, so that no session is open at the old backend while the
// mail leaves it, nor at the new one before it is there.
namespace headgate::server {

using dialogue::LoginFailure;

namespace {

// The reply comes so long before the session's own end, so that the client learns why.
constexpr std::uint64_t kReplyAheadMs = 1000;

}  // namespace

// True: the login waits, or has failed since too many do.
bool Session::held_for_move() {
  Login& login = *login_;
  HeldLogins& held = worker_.held_logins();
  if (held.empty()) {
    return false;
  }
  switch (held.enter(login.hold, snapshot().placement.identity(login.pool, login.route.user),
                     &snapshot().limits->held_count(login.pool))) {
    case HeldLogins::Answer::kGo:
      return false;
    case HeldLogins::Answer::kFull:
      fail_login(LoginFailure::kUserMoving, "too many logins wait until users have moved");
      return true;
    case HeldLogins::Answer::kWait:
      break;
  }
  enter(metrics::Phase::kQueue);
  look_for_client();
  const std::uint64_t end = started_ms_ + net::to_ms(snapshot().config.login.timeout);
  const std::uint64_t now = worker_.loop().now_ms();
  const std::uint64_t left = end - std::min(end, now);
  login.pause_for = Login::Pause::kHold;
  worker_.timers().arm(login.pause, left - std::min(kReplyAheadMs, left / 2));
  return true;
}

void Session::on_release(void* self) noexcept {
  auto& session = *static_cast<Session*>(self);
  session.login_->pause.cancel();
  session.login_->released = true;
  if (!std::exchange(session.queued_, true)) {
    session.worker_.run_again(session);
  }
}

// The user is where the mail is by now, which the newest sets of backends know and older ones do
// not.
void Session::go_on_after_hold() {
  Login& login = *login_;
  if (login.generation == worker_.generation()) {
    start_deadline();
    seek_place();
    return;
  }
  // The sources would be asked again, and a code is good only once.
  if (login.proven || login.route.code_length != 0 || !take_terms_in_force()) {
    fail_login(LoginFailure::kUserMoving, "a reload came while the login waited");
    return;
  }
  ask_sources();
}

void Session::held_for_too_long() {
  login_->hold.leave();
  fail_login(LoginFailure::kUserMoving, "the user has not moved in time");
}

// The user is to have no session from now on: a login that is under way at a backend gives that up
// and waits like those that come later.
void Session::step_back(std::uint64_t user) {
  if (!login_ || !pool_ || lease_.user != user) {
    return;
  }
  give_up_room();
  login_->place.leave();
  login_->call.reset();
  give_up_backend();
  worker_.users().leave(lease_);
  static_cast<void>(held_for_move());
}

}  // namespace headgate::server
