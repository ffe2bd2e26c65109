#pragma once

#include <atomic>
#include <cstdint>

// How many logins a backend gets at once. After a failure thousands of clients may come to it in
// one second; those beyond what it can do at once make each other slow until all of them run out of
// time. So the number is bounded, and what it may be is found out by how long logins take.
namespace headgate::balance {

struct AdmissionRules {
  bool on = false;
  std::uint32_t least = 64;    // logins at once that it gets however slow it is
  std::uint32_t most = 1000;   // and however fast
  std::uint32_t queue = 5000;  // further ones that may wait for it
};

// The logins of all workers at one backend; any thread. Nobody waits here: it only counts.
//
// The limit begins at `least` and doubles while logins stay quick; once they have been too slow it
// grows by its square root at a time, and shrinks in proportion to how much too slow they are.
// It changes once a window, by the logins that began in it, and grows only while it is in the way.
// Backends answer wrong passwords after a second or two: they count as answers and not by their
// time, so that the limit grows when guessers take all places, and users do not wait behind them.
// Too slow is an average above 0.1 s and above twice the baseline: the time that logins take when
// few are under way, which is the least seen, and follows slowly when the backend becomes another
// one.
class Admission {
 public:
  // How a login ended, as far as that tells about the backend.
  enum class Outcome : std::uint8_t {
    kIn,
    kFailed,   // by the backend's fault, or in silence
    kRefused,  // a wrong password: answered, and late on purpose
    kNothing,  // a client that left
  };

  // False: as many as may be are under way.
  [[nodiscard]] bool try_begin(const AdmissionRules& rules) {
    if (under_way_.fetch_add(1, std::memory_order_relaxed) < limit(rules)) {
      return true;
    }
    under_way_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  // Whatever the limit is.
  void begin() { under_way_.fetch_add(1, std::memory_order_relaxed); }
  // Each that began; `took_us` from its connect on. Times of all calls are of one steady clock.
  void end(const AdmissionRules& rules, Outcome outcome, std::uint64_t took_us,
           std::int64_t now_ms);

  // One more waits; false, and counted as refused: as many as may are waiting.
  [[nodiscard]] bool wait(const AdmissionRules& rules);
  void stop_waiting() { waiting_.fetch_sub(1, std::memory_order_relaxed); }
  // Waited in vain.
  void count_refused() { refused_.fetch_add(1, std::memory_order_relaxed); }

  [[nodiscard]] std::uint32_t limit(const AdmissionRules& rules) const;
  [[nodiscard]] std::uint32_t under_way() const {
    return under_way_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint32_t waiting() const { return waiting_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  // What a window has seen.
  struct Seen {
    std::uint64_t average_us = 0;
    std::uint32_t in = 0;
    std::uint32_t failed = 0;
    std::uint32_t refused = 0;
    bool in_the_way = false;  // the limit was
  };

  void adapt(const AdmissionRules& rules, const Seen& seen);
  void note_average(const Seen& seen);

  std::atomic<std::uint32_t> under_way_{0};
  std::atomic<std::uint32_t> limit_{0};  // 0: nothing is known yet
  std::atomic<std::uint32_t> waiting_{0};
  // Of the window that is open.
  std::atomic<std::uint32_t> in_{0};
  std::atomic<std::uint32_t> failed_{0};
  std::atomic<std::uint32_t> refused_answers_{0};
  std::atomic<std::uint64_t> took_us_{0};
  std::atomic<std::int64_t> window_opened_ms_{0};
  // Written by whoever closes a window.
  std::atomic<std::uint64_t> baseline_us_{0};  // 0: not known
  std::atomic<bool> was_slow_{false};
  std::atomic<std::uint64_t> refused_{0};
};

}  // namespace headgate::balance
