#include <algorithm>
#include <string>

#include "server/session/login.h"
#include "server/session/session.h"
#include "server/worker.h"

// A user who has as many sessions as may be, where the oldest idle one gives way to a new one.
// Asked for only when the backend has let the new one in: who merely knows the user's name ends
// nothing.
namespace headgate::server {

using dialogue::LoginFailure;

namespace {

// Workers answer within a turn of their loops.
constexpr std::uint64_t kRoomPatienceMs = 2000;
// Other logins of the user may take the room that was made.
constexpr unsigned kMostRoomsAsked = 3;

}  // namespace

// False: the user's sessions stay, and the login is refused.
bool Session::ask_for_room() {
  Login& login = *login_;
  const config::Limits& limits = snapshot().config.limits;
  if (limits.over_user_limit != config::OverUserLimit::kEndOldestIdle ||
      ++login.rooms_asked > kMostRoomsAsked) {
    return false;
  }
  login.backend->rest();
  const std::uint64_t now = worker_.loop().now_ms();
  const std::uint64_t idle = net::to_ms(limits.idle_for);
  login.room = worker_.find_idle(lease_.user, now - std::min(now, idle), *this);
  login.pause_for = Login::Pause::kRoom;
  worker_.timers().arm(login.pause, kRoomPatienceMs);
  return true;
}

void Session::give_up_room() {
  if (login_->room) {
    login_->room->forget_login();
    login_->room.reset();
  }
}

void Session::on_room(bool made) {
  login_->pause.cancel();
  give_up_room();
  if (made) {
    hand_over();
    return;
  }
  refuse_for_user_limit("no session of the user has been idle for long enough");
}

void Session::refuse_for_user_limit(std::string_view detail) {
  give_up_backend();
  fail_login(LoginFailure::kUserLimit, detail);
}

std::uint64_t Session::last_moved_ms() const {
  return std::max(moved_ms_, started_ms_);
}

}  // namespace headgate::server
