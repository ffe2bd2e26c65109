#include "server/session/held_logins.h"

#include <chrono>
#include <utility>

namespace headgate::server {

void HeldLogins::Place::leave() {
  if (user_ == nullptr) {
    return;
  }
  unlink();
  --std::exchange(user_, nullptr)->count;
  --logins_.waiting_;
  if (std::atomic<std::uint32_t>* const count = std::exchange(count_, nullptr)) {
    count->fetch_sub(1, std::memory_order_relaxed);
  }
  logins_.metrics_.held_logins.subtract();
  logins_.metrics_.hold_wait.observe(
      std::chrono::milliseconds(logins_.timers_.now_ms() - since_ms_));
}

HeldLogins::HeldLogins(net::TimerWheel& timers, metrics::WorkerMetrics& metrics, std::size_t most)
    : timers_(timers), metrics_(metrics), most_(most) {}

// Places that outlive it must not look for their user.
HeldLogins::~HeldLogins() {
  for (auto& [key, user] : users_) {
    while (Place* place = user->waiting.front()) {
      place->leave();
    }
  }
}

void HeldLogins::hold(std::uint64_t user) {
  auto& held = users_[user];
  if (!held) {
    held = std::make_unique<User>();
  }
}

void HeldLogins::release(std::uint64_t user) {
  const auto found = users_.find(user);
  if (found == users_.end()) {
    return;
  }
  const std::unique_ptr<User> held = std::move(found->second);
  users_.erase(found);  // whoever is called may ask again
  while (Place* place = held->waiting.front()) {
    place->leave();
    place->on_release_(place->owner_);
  }
}

HeldLogins::Answer HeldLogins::enter(Place& place, std::uint64_t user,
                                     std::atomic<std::uint32_t>* count) {
  const auto found = users_.find(user);
  if (found == users_.end()) {
    return Answer::kGo;
  }
  User& held = *found->second;
  if (waiting_ >= most_ || held.count >= kMostOfAUser) {
    return Answer::kFull;
  }
  place.user_ = &held;
  place.since_ms_ = timers_.now_ms();
  held.waiting.push_back(place);
  ++held.count;
  ++waiting_;
  if (count != nullptr) {
    count->fetch_add(1, std::memory_order_relaxed);
    place.count_ = count;
  }
  metrics_.held_logins.add();
  return Answer::kWait;
}

}  // namespace headgate::server
