#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dialogue/close_reason.h"
#include "dialogue/failure.h"
#include "dialogue/limit.h"
#include "metrics/instruments.h"
#include "metrics/labels.h"

namespace headgate::metrics {

// What a worker counts for one listener.
struct ListenerMetrics {
  explicit ListenerMetrics(std::string_view listener) : name(listener) {}

  const std::string name;
  Counter connections;
  std::array<Counter, kAcceptErrorNames.size()> accept_errors;
  std::array<Gauge, kPhaseNames.size()> sessions;

  void count_accept_error(int errno_code) {
    accept_errors[index(accept_error_from(errno_code))].add();
  }
  // A session begins in `phase`, goes from one to the next, and ends.
  void enter(Phase phase) { sessions[index(phase)].add(); }
  void leave(Phase phase) { sessions[index(phase)].subtract(); }
  void move(Phase from, Phase to) {
    leave(from);
    enter(to);
  }

  ListenerMetrics* next = nullptr;  // for WorkerMetrics
};

// What a worker counts for one user source.
struct SourceMetrics {
  explicit SourceMetrics(std::string_view source) : name(source) {}

  const std::string name;
  std::array<Counter, kSourceResultNames.size()> results;
  Histogram duration{kLoginBounds};
  Gauge under_way;
  Gauge queued;
  std::array<Counter, kCacheResultNames.size()> cache;

  void count(SourceResult result) { results[index(result)].add(); }
  void count(CacheResult result) { cache[index(result)].add(); }

  SourceMetrics* next = nullptr;  // for WorkerMetrics
};

// Everything one worker counts. Written by that worker alone, read by the collector at any time.
// Counting never locks and never allocates. On cache lines of its own.
class alignas(64) WorkerMetrics {
 public:
  explicit WorkerMetrics(const std::vector<std::string>& listeners);
  WorkerMetrics(const WorkerMetrics&) = delete;
  WorkerMetrics& operator=(const WorkerMetrics&) = delete;

  // The counters of a listener, made if this is a new one (a reload brought it): call it when the
  // listener opens, on the worker's thread, and keep the reference, which lives as long as *this.
  ListenerMetrics& listener(std::string_view name);

  // The same for a user source.
  SourceMetrics& source(std::string_view name);

  // `version` is OpenSSL's name, empty when the handshake failed before there was one.
  void count_handshake(Side side, std::string_view version, bool ok, bool resumed) {
    handshakes[index(side)][index(tls_version_from(version))][ok ? 1 : 0][resumed ? 1 : 0].add();
  }
  void count_login_ok() { logins_ok.add(); }
  void count_login_failed(dialogue::LoginFailure failure) { logins_failed[index(failure)].add(); }
  void observe(Stage stage, Microseconds duration) {
    login_duration[index(stage)].observe(duration);
  }
  void count(ReadyConnection what) { ready_connections_total[index(what)].add(); }
  void count(Farewell what) { farewells[index(what)].add(); }
  void count_limit(dialogue::Limit limit) { limit_hits[index(limit)].add(); }
  // While the session runs, as bytes move: the difference since the last call.
  void count_relayed(Direction direction, std::uint64_t bytes) {
    relayed[index(direction)].add(bytes);
  }
  void count_tls_relayed(Side side, bool ours) { tls_relayed[index(side)][ours ? 1 : 0].add(); }
  void count_end(dialogue::CloseReason reason, Microseconds duration) {
    session_ends[index(reason)].add();
    session_duration.observe(duration);
  }

  std::array<Counter, kDirectionNames.size()> relayed;
  // Established sessions, by side and [0: OpenSSL, 1: ours].
  std::array<std::array<Counter, kRecordsByNames.size()>, kSideNames.size()> tls_relayed;
  Gauge buffers_in_use;
  Gauge bulk_sessions;
  Gauge lost_sessions;
  Gauge ready_connections;
  std::array<Counter, kReadyConnectionNames.size()> ready_connections_total;
  Histogram loop_lag{kLagBounds};
  Counter bad_commands;
  // [side][version][0: failed, 1: ok][0: full, 1: resumed]
  std::array<std::array<std::array<std::array<Counter, 2>, 2>, kTlsVersionNames.size()>,
             kSideNames.size()>
      handshakes;
  std::array<Counter, kGuessLimitNames.size()> guesses_refused;
  std::array<Counter, 2> failures_counted;  // [0: seen before, 1: counted]
  Histogram guess_delay{kLoginBounds};
  Histogram admission_wait{kLoginBounds};
  Gauge held_logins;
  Histogram hold_wait{kLoginBounds};
  std::array<Counter, kWaitedForNames.size()> logins_abandoned;
  std::array<Counter, kFactorNames.size()> factors;
  std::array<Counter, kClientCertificateNames.size()> client_certificates;
  std::array<Counter, kAnyCertificateNames.size()> any_certificates;
  Counter logins_ok;
  std::array<Counter, dialogue::kLoginFailureCount> logins_failed;
  std::array<Histogram, kStageNames.size()> login_duration;
  std::array<Counter, dialogue::kLimitCount> limit_hits;
  std::array<Counter, dialogue::kCloseReasonCount> session_ends;
  Histogram session_duration{kSessionBounds};
  std::array<Counter, kFarewellNames.size()> farewells;

  // All listeners so far, the newest first; any thread. Follow ListenerMetrics::next.
  [[nodiscard]] const ListenerMetrics* first_listener() const {
    return first_.load(std::memory_order_acquire);
  }
  // Likewise all user sources.
  [[nodiscard]] const SourceMetrics* first_source() const {
    return first_source_.load(std::memory_order_acquire);
  }

 private:
  // Owner's thread only; elements never move.
  std::deque<ListenerMetrics> listeners_;
  std::deque<SourceMetrics> sources_;
  std::atomic<ListenerMetrics*> first_{nullptr};
  std::atomic<SourceMetrics*> first_source_{nullptr};
};

}  // namespace headgate::metrics
