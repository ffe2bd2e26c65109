#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "base/intrusive_list.h"
#include "metrics/worker_metrics.h"
#include "net/timer_wheel.h"

namespace headgate::server {

// A worker's users who are being moved while nobody of them may be logged in, and their logins,
// which wait until that is over. Users are known by their key in the user table.
class HeldLogins {
 private:
  struct User;

 public:
  // More logins of one user than this do not wait, so that they leave room for others.
  static constexpr std::size_t kMostOfAUser = 50;

  // The hold is over, or the login's user may go on for another reason. Nothing may begin or end in
  // it.
  using OnRelease = void (*)(void* owner) noexcept;

  // A login's place among those that wait; it leaves when it is destroyed.
  class Place final : public ListNode {
   public:
    Place(HeldLogins& logins, void* owner, OnRelease on_release)
        : logins_(logins), owner_(owner), on_release_(on_release) {}
    ~Place() { leave(); }

    // Waits no more. Of one that does not wait it does nothing.
    void leave();

   private:
    friend class HeldLogins;
    HeldLogins& logins_;
    void* owner_;
    OnRelease on_release_;
    User* user_ = nullptr;  // null: it does not wait
    std::atomic<std::uint32_t>* count_ = nullptr;
    std::uint64_t since_ms_ = 0;
  };

  enum class Answer : std::uint8_t {
    kGo,    // nobody holds the user
    kWait,  // it will be called
    kFull,  // too many wait
  };

  // `most`: logins that may wait at a time.
  HeldLogins(net::TimerWheel& timers, metrics::WorkerMetrics& metrics, std::size_t most);
  ~HeldLogins();
  HeldLogins(const HeldLogins&) = delete;
  HeldLogins& operator=(const HeldLogins&) = delete;

  void hold(std::uint64_t user);
  // Calls all who wait. Of a user who is not held it does nothing.
  void release(std::uint64_t user);
  [[nodiscard]] bool empty() const { return users_.empty(); }
  // While it waits, `count` (of its pool; null: none) is one higher.
  Answer enter(Place& place, std::uint64_t user, std::atomic<std::uint32_t>* count = nullptr);

 private:
  struct User {
    IntrusiveList<Place> waiting;
    std::size_t count = 0;
  };

  net::TimerWheel& timers_;
  metrics::WorkerMetrics& metrics_;
  const std::size_t most_;
  std::size_t waiting_ = 0;
  std::unordered_map<std::uint64_t, std::unique_ptr<User>> users_;
};

}  // namespace headgate::server
