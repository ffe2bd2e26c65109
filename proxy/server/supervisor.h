#pragma once

#include <chrono>
#include <csignal>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "admin/server.h"
#include "auth/sources.h"
#include "balance/user_table.h"
#include "config/config.h"
#include "metrics/collector.h"
#include "server/health_monitor.h"
#include "server/pools.h"
#include "server/session_limits.h"
#include "server/snapshot.h"
#include "server/waiting_room.h"
#include "server/worker.h"

namespace headgate::server {

// The main thread's part: makes everything the workers share, binds what they listen on, starts
// them, resolves names again from time to time, serves the admin interface, and stops it all.
class Supervisor {
 public:
  explicit Supervisor(config::Config config);
  ~Supervisor();

  // Everything that can fail at start; the error is one line for the operator.
  std::expected<void, std::string> start();
  // Until SIGTERM or SIGINT.
  void wait();
  // Ends all sessions and threads.
  void stop();

 private:
  std::expected<void, std::string> make_snapshot();
  std::expected<std::vector<std::vector<UniqueFd>>, std::string> bind_listeners();
  std::expected<void, std::string> make_workers();
  std::expected<void, std::string> start_health();
  std::expected<void, std::string> start_admin();
  void resolve_again();
  void publish(std::optional<Pools> fresh);
  [[nodiscard]] admin::Readiness readiness() const;
  [[nodiscard]] std::vector<metrics::BackendFigures> backend_figures() const;
  [[nodiscard]] std::vector<metrics::HealthFigures> health_figures() const;
  [[nodiscard]] metrics::UserFigures user_figures() const;
  [[nodiscard]] std::vector<metrics::LimitFigures> limit_figures() const;
  [[nodiscard]] Pools pools() const;

  config::Config config_;
  std::size_t worker_count_;
  std::string config_hash_;
  std::chrono::system_clock::time_point loaded_ = std::chrono::system_clock::now();
  std::shared_ptr<const Snapshot> snapshot_;
  std::optional<auth::SharedSources> sources_;
  mutable std::mutex pools_mutex_;  // the admin threads read pools_, the health monitor republishes
  Pools pools_;
  std::optional<WaitingRoom> waiting_room_;
  std::optional<balance::UserTable> users_;
  std::optional<SessionLimits> limits_;
  std::vector<std::shared_ptr<metrics::WorkerMetrics>> metrics_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
  std::unique_ptr<HealthMonitor> health_;
  std::unique_ptr<admin::Server> admin_;
  sigset_t signals_{};
};

}  // namespace headgate::server
