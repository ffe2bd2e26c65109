#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace headgate::auth {

struct BreakerOptions {
  unsigned failures = 5;                  // in a row, then it opens
  std::chrono::milliseconds pause{1000};  // until the first probe; doubles with each that fails …
  std::chrono::milliseconds longest_pause{30000};  // … up to this
};

// Whether a source is asked at all. Closed: yes. Open after failures in a row: no, so that a source
// that hangs costs nobody its deadline. When the pause is over one question goes through as a
// probe: it closes the breaker, or begins the next pause. One object for all workers; every
// function is for any thread and takes no lock. A log line says when it opens and when it closes.
class Breaker {
 public:
  // Whether a question may go to the source. What is not kNo must end in succeeded(), failed() or
  // abandoned(), with the same value.
  enum class Pass : std::uint8_t { kNo, kYes, kProbe };

  Breaker(std::string source, BreakerOptions options)
      : source_(std::move(source)), options_(options) {}

  // `now_ms`: monotonic, the same clock on all threads.
  [[nodiscard]] Pass ask(std::int64_t now_ms);
  void succeeded(Pass pass);
  // `random` spreads the end of the pause; `why` is for the log.
  void failed(Pass pass, std::int64_t now_ms, std::uint64_t random, std::string_view why);
  void abandoned(Pass pass);  // the asker went away

  [[nodiscard]] bool open() const { return probe_at_ms_.load(std::memory_order_relaxed) != 0; }
  [[nodiscard]] std::uint64_t openings() const { return openings_.load(std::memory_order_relaxed); }

 private:
  std::int64_t pause_ms(unsigned failed_probes, std::uint64_t random) const;

  const std::string source_;
  const BreakerOptions options_;
  std::atomic<unsigned> failures_{0};         // in a row
  std::atomic<std::int64_t> probe_at_ms_{0};  // 0: closed
  std::atomic<unsigned> failed_probes_{0};    // in a row
  std::atomic<bool> probing_{false};
  std::atomic<std::uint64_t> openings_{0};
};

}  // namespace headgate::auth
