#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "balance/backend_set.h"
#include "balance/health.h"
#include "metrics/health_figures.h"
#include "net/loop.h"
#include "net/timer_wheel.h"
#include "net/tls.h"
#include "net/transport.h"
#include "server/health/health_check.h"
#include "server/snapshot.h"

namespace headgate::server {

// Checks the backends of every pool that has `health`, once for the whole process, on a thread of
// its own. What follows from the results reaches the workers by balance::BackendState alone: who is
// taken out at once, parts of weights with the next set.
class HealthMonitor {
 public:
  // Called on the monitor's thread after BackendState::tenths of some backend has changed: new sets
  // are due.
  using WeightsChanged = std::function<void()>;
  // Likewise after a backend of a pool with `end_sessions_over` was taken out: its sessions are to
  // end within that time.
  using EndSessions = std::function<void(
      const std::shared_ptr<const balance::BackendState>& backend, std::chrono::milliseconds over)>;

  HealthMonitor(std::shared_ptr<const Snapshot> snapshot, Pools pools, WeightsChanged changed,
                EndSessions end_sessions);
  ~HealthMonitor();
  HealthMonitor(const HealthMonitor&) = delete;
  HealthMonitor& operator=(const HealthMonitor&) = delete;

  // What is to be checked from now on; results so far stay, by BackendState. Any thread.
  void update(std::shared_ptr<const Snapshot> snapshot, Pools pools);
  // Ends the thread; figures() stay.
  void stop();
  // Any thread.
  [[nodiscard]] std::vector<metrics::HealthFigures> figures() const;

 private:
  struct WatchedPool;
  struct Watched;
  using Watching = std::vector<std::unique_ptr<WatchedPool>>;

  void run();
  void on_mail();
  void rebuild();
  void watch(const balance::BackendSet& set, const config::Pool& config, const Watching& before);
  void leave_alone(balance::BackendState& state);
  [[nodiscard]] bool watches(const balance::BackendState& state) const;
  void begin_figures();

  static void on_check_due(void* watched) noexcept;
  static void on_checked(void* watched, CheckResult result) noexcept;
  static void on_tick(void* self) noexcept;
  void check(Watched& watched);
  void checked(Watched& watched, CheckResult result);
  void check_soon_after_failures(Watched& watched);
  void look_at_login_times(WatchedPool& pool);
  // Carries what is known of the pool to the states, the log and the figures.
  void apply(WatchedPool& pool);
  void apply(Watched& watched, std::int64_t now);
  static void report(const Watched& watched, balance::HealthState reached, std::int64_t now);
  [[nodiscard]] std::int64_t clock_ms() const { return static_cast<std::int64_t>(loop_.now_ms()); }

  WeightsChanged weights_changed_;
  EndSessions end_sessions_;
  net::Loop loop_;
  std::optional<net::TimerWheel> timers_;
  net::IoScratch scratch_;
  std::optional<net::Wakeup> wakeup_;
  std::optional<net::Timer> tick_;
  std::mt19937_64 random_{std::random_device{}()};
  std::shared_ptr<const Snapshot> snapshot_;
  Watching pools_;
  bool weights_differ_ = false;  // some BackendState::tenths has changed and nobody was told

  mutable std::mutex mutex_;  // what follows
  std::shared_ptr<const Snapshot> next_snapshot_;
  Pools next_pools_;
  bool stop_ = false;
  std::vector<metrics::HealthFigures> figures_;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace headgate::server
