#pragma once

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "admin/server.h"
#include "balance/user_table.h"
#include "config/config.h"
#include "config/difference.h"
#include "metrics/collector.h"
#include "server/certificates.h"
#include "server/discovery.h"
#include "server/generation.h"
#include "server/health/health_monitor.h"
#include "server/operations/operations.h"
#include "server/pool_memory_file.h"
#include "server/pools.h"
#include "server/session/guess_guard.h"
#include "server/session/session_limits.h"
#include "server/session/waiting_room.h"
#include "server/snapshot.h"
#include "server/worker.h"
#include "sources/sources.h"

namespace headgate::server {

// The main thread's part: makes everything the workers share, binds what they listen on, starts
// them, has names resolved again from time to time, serves the admin interface, reads the
// configuration again when asked, and stops it all.
class Supervisor {
 public:
  using Errors = std::vector<std::string>;

  explicit Supervisor(config::Config config);
  ~Supervisor();

  // Everything that can fail at start; the error is one line for the operator.
  std::expected<void, std::string> start();
  // Until SIGTERM or SIGINT; SIGHUP is reload().
  void wait();
  // Ends all sessions and threads.
  void stop();

  // Reads the configuration file again, with the files it names, and puts it in force: all of it,
  // or, with errors, nothing. When it returns, whatever begins goes by the new one; what is under
  // way goes on. Answers with what has changed, or with a line for each error; both are in the log
  // by then. Any thread; blocks while files are read and names resolved.
  std::expected<config::Difference, Errors> reload();

 private:
  // What is in force: one configuration and the newest sets of its backends. Changed by publish()
  // and put_in_force() alone.
  struct InForce {
    std::shared_ptr<const Snapshot> snapshot;
    std::shared_ptr<const sources::SharedSources> sources;
    Discovery discovery;  // of pools with `srv`
    Pools resolved;       // as the names resolve
    Pools pools;          // what the workers go by: with what operators have ordered
    Pools departed;       // backends that a reload took away while sessions were there
    Certificates certificates;
    std::string hash;  // of the file
    std::chrono::system_clock::time_point loaded;
  };
  // A configuration that is ready to be put in force: all that can fail has been done.
  struct Candidate {
    InForce next;
    std::vector<TlsContexts> tls;                      // by worker
    std::vector<std::vector<ListenerSocket>> sockets;  // by worker
  };

  std::expected<void, std::string> make_workers();
  std::expected<void, std::string> start_health();
  std::expected<void, std::string> start_admin();
  void keep_names_fresh(const std::stop_token& stop);
  void resolve_again(bool addresses, const std::stop_token& stop);
  void let_go_of_old_sources();
  void warn_of_expiry() const;
  [[nodiscard]] metrics::ConfigInfo config_info() const;
  [[nodiscard]] admin::StatusView status() const;
  [[nodiscard]] std::expected<admin::ExplanationView, std::string> explain_login(
      const std::string& user, const IpAddress& client) const;
  [[nodiscard]] std::vector<metrics::CertificateFigures> certificate_figures() const;
  [[nodiscard]] admin::Readiness readiness() const;
  [[nodiscard]] std::vector<metrics::BackendFigures> backend_figures() const;
  [[nodiscard]] std::vector<metrics::HealthFigures> health_figures() const;
  [[nodiscard]] metrics::UserFigures user_figures() const;
  [[nodiscard]] std::vector<metrics::LimitFigures> limit_figures() const;
  [[nodiscard]] InForce in_force() const;

  // supervisor_reload.cc: how a configuration, or new sets of its backends, come into force.
  std::expected<Candidate, Errors> prepare(config::Config config);
  std::expected<std::vector<std::vector<ListenerSocket>>, std::string> bind_listeners(
      const config::Config& config);
  static Pools fresh_pools(const config::Config& config, const Discovery& discovery,
                           const InForce& before, const std::stop_token& stop = {});
  NewGeneration part_of_worker(Candidate& candidate, std::size_t worker) const;
  void put_in_force(Candidate candidate);
  // Empty, or that a worker has not taken it yet, in words for an operator.
  static std::string wait_until_taken(Taken taken);
  [[nodiscard]] Taken publish(std::optional<Pools> resolved);
  std::expected<config::Difference, Errors> try_reload();
  std::expected<std::vector<std::string>, Errors> reload_in_words();

  const std::chrono::system_clock::time_point started_ = std::chrono::system_clock::now();
  config::Config first_config_;  // until start()
  const std::size_t worker_count_;
  const std::shared_ptr<const net::TicketKeys> ticket_keys_ = net::make_ticket_keys();

  // One reload at a time; held while it blocks. What names resolve to comes into force under it.
  std::mutex changes_mutex_;
  bool stopping_ = false;  // under changes_mutex_
  // No longer in force; a worker must not be the last to let go of them. Under changes_mutex_.
  std::vector<std::shared_ptr<const sources::SharedSources>> old_sources_;

  std::mutex publish_mutex_;           // what is published reaches all workers in one order
  mutable std::mutex in_force_mutex_;  // guards the next two; held for a moment
  InForce in_force_;
  metrics::ReloadFigures reloads_;

  // What only a restart changes goes by this one to the end.
  std::shared_ptr<const Snapshot> first_;
  std::optional<WaitingRoom> waiting_room_;
  std::optional<balance::UserTable> users_;
  std::shared_ptr<SessionCounts> counts_;
  std::optional<GuessGuard> guesses_;
  std::vector<std::shared_ptr<metrics::WorkerMetrics>> metrics_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
  std::unique_ptr<Operations> operations_;
  std::optional<PoolMemoryFile> pool_memory_;
  std::unique_ptr<HealthMonitor> health_;
  std::unique_ptr<admin::Server> admin_;
  std::jthread resolver_;  // while all of the above is there
  sigset_t signals_{};
};

}  // namespace headgate::server
