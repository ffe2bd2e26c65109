#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>

namespace headgate::server {

class Session;

// A login's search for the session of its user that has been idle for longest, so that it may end
// and make room. Every worker names the best of its own; the last one knows the best of all. Shared
// by the messages about it.
class IdleSearch {
 public:
  struct Found {
    std::size_t worker = 0;
    std::uint64_t session = 0;
    std::uint64_t moved_ms = 0;  // when it last moved a byte
  };
  // What the last worker to answer learns.
  struct Outcome {
    std::optional<Found> oldest;  // empty: the user has no session that is idle
  };

  // `user` is the user's key in the user table; only sessions that moved nothing since `before_ms`.
  // `login` waits on the worker `home`, and is for that worker alone.
  IdleSearch(std::uint64_t user, std::uint64_t before_ms, std::size_t home, std::size_t workers,
             Session& login)
      : user_(user), before_ms_(before_ms), home_(home), awaited_(workers), login_(&login) {}

  [[nodiscard]] std::uint64_t user() const { return user_; }
  [[nodiscard]] std::uint64_t before_ms() const { return before_ms_; }
  [[nodiscard]] std::size_t home() const { return home_; }

  // A worker's answer, once each; the last one gets the outcome.
  std::optional<Outcome> answer(const std::optional<Found>& found) {
    const std::lock_guard lock(mutex_);
    if (found && (!oldest_ || found->moved_ms < oldest_->moved_ms)) {
      oldest_ = found;
    }
    return --awaited_ == 0 ? std::optional(Outcome{oldest_}) : std::nullopt;
  }

  // On its home worker: null once the login waits no more.
  [[nodiscard]] Session* login() const { return login_; }
  void forget_login() { login_ = nullptr; }

 private:
  const std::uint64_t user_;
  const std::uint64_t before_ms_;
  const std::size_t home_;
  std::mutex mutex_;
  std::size_t awaited_;
  std::optional<Found> oldest_;
  Session* login_;
};

}  // namespace headgate::server
