#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "balance/admission.h"
#include "balance/backend_set.h"
#include "base/intrusive_list.h"
#include "metrics/worker_metrics.h"
#include "net/timer_wheel.h"

namespace headgate::server {

// A worker's logins on their way to backends: as many at once at each as balance::Admission allows,
// the others in the order in which they came. A login that waits is called when one of the same
// worker ends at that backend, and at the latest within a moment after there is room.
//
// The bound is one for all workers. While several of them have logins waiting, each takes its share
// of it and leaves the rest to the others; one that has none under way may always begin one, so
// that none of them can be kept out.
class LoginQueue {
 private:
  struct Gate;  // of one backend

 public:
  // What a login that waited is told.
  enum class Call : std::uint8_t {
    kTurn,         // it has a place: Place::end() when it is done
    kBackendDown,  // the backend has failed meanwhile: it has no place, and waits no more
  };
  // Comes from within calls of other logins: nothing may begin or end in it.
  using OnCall = void (*)(void* owner, Call call) noexcept;

  // A login's place at a backend, in the queue or beyond it, given back when it is destroyed.
  class Place final : public ListNode {
   public:
    Place(LoginQueue& queue, void* owner, OnCall on_call)
        : queue_(queue), owner_(owner), on_call_(on_call) {}
    ~Place() { leave(); }

    // The login at the backend is over, and took so long from its connect on.
    void end(balance::Admission::Outcome outcome, std::uint64_t took_us);
    // Waits in vain: counts as refused.
    void give_up();
    // Gives back whatever it has. Of one that has nothing it does nothing.
    void leave();

   private:
    friend class LoginQueue;
    LoginQueue& queue_;
    void* owner_;
    OnCall on_call_;
    Gate* gate_ = nullptr;        // null: it has no place
    std::uint64_t since_ms_ = 0;  // waits since then; while it is in the gate's list
  };

  enum class Answer : std::uint8_t {
    kBegin,  // it has a place
    kWait,   // it will be called
    kFull,   // too many wait; it has no place
  };

  // `workers`: how many there are, all with queues of their own.
  LoginQueue(net::TimerWheel& timers, metrics::WorkerMetrics& metrics, std::size_t workers);
  ~LoginQueue();
  LoginQueue(const LoginQueue&) = delete;
  LoginQueue& operator=(const LoginQueue&) = delete;

  // A login that has no place wants one at the backend.
  Answer enter(Place& place, const std::shared_ptr<balance::BackendState>& backend,
               const balance::AdmissionRules& rules);
  // A place at the backend in any case; the same otherwise.
  void begin(Place& place, const std::shared_ptr<balance::BackendState>& backend,
             const balance::AdmissionRules& rules);
  // Whether nobody of this worker has waited for the backend in the last seconds until `enter()`
  // has just said kWait: time for a line in the log. Says so once.
  bool begins_to_wait(const Place& place);

 private:
  static void on_round(void* self) noexcept;
  void round();
  Gate& gate_of(const std::shared_ptr<balance::BackendState>& backend);
  [[nodiscard]] bool try_begin(Gate& gate) const;
  void call_some(Gate& gate);
  void tell(Gate& gate, Place& place, Call what);
  void stop_waiting(Place& place);

  net::TimerWheel& timers_;
  metrics::WorkerMetrics& metrics_;
  const std::size_t workers_;
  std::unordered_map<const balance::BackendState*, std::unique_ptr<Gate>> gates_;
  std::size_t tidy_at_;  // gates; then those that nobody needs go
  net::Timer round_;     // while anybody waits
};

}  // namespace headgate::server
