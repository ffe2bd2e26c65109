#pragma once

#include <prometheus/collectable.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/admin_metrics.h"
#include "metrics/health_figures.h"
#include "metrics/move_figures.h"
#include "metrics/page.h"
#include "metrics/source_figures.h"
#include "metrics/worker_metrics.h"

namespace headgate::metrics {

// Logins at one backend, where their number is bounded.
struct AdmissionFigures {
  std::uint32_t limit = 0;
  std::uint32_t under_way = 0;
  std::uint32_t waiting = 0;
  std::uint64_t refused = 0;
};

// One backend at one moment, as the balance room knows it.
struct BackendFigures {
  std::string pool;
  std::string backend;  // "mail1.example.org:993"
  std::int64_t sessions = 0;
  std::uint64_t failures = 0;
  unsigned weight = 0;
  bool up = true;
  bool draining = false;
  bool disabled = false;
  std::optional<AdmissionFigures> admission = std::nullopt;
};

// What DNS has said of the backends of one pool.
struct SrvFigures {
  std::string pool;
  std::uint64_t answers = 0;  // that were taken
  std::uint64_t failures = 0;
  std::size_t backends = 0;
  std::size_t left_out = 0;                        // targets of the last answer that was taken
  std::chrono::system_clock::time_point answered;  // when it came; the epoch: never
};

// Users with sessions, as the user table knows them.
struct UserFigures {
  std::size_t users = 0;
  std::size_t away = 0;
  std::size_t left_behind = 0;
  std::size_t bytes = 0;
  std::uint64_t overflows = 0;
};

// One limit on sessions and how near it is.
struct LimitFigures {
  std::string_view scope;   // "user", "listener", …
  std::string of;           // name of the listener or pool; empty: of all users or networks
  std::uint32_t limit = 0;  // as configured
  std::uint32_t most = 0;   // sessions of the one with most
  std::size_t near = 0;     // how many have four fifths of it or more
};

// One table of the guard against guessing.
struct GuessFigures {
  std::string_view table;  // "address"
  std::size_t entries = 0;
};

struct BuildInfo {
  std::string version;
  std::string openssl;
  std::string libuv;
};

// A certificate that clients are shown.
struct CertificateFigures {
  std::string file;
  std::chrono::system_clock::time_point not_after;
};

// The configuration read again while the process runs.
struct ReloadFigures {
  std::uint64_t applied = 0;
  std::uint64_t refused = 0;
  bool last_ok = true;
  std::optional<std::chrono::system_clock::time_point> last_applied;
};

struct ConfigInfo {
  std::string file;
  std::string hash;
  std::chrono::system_clock::time_point loaded;
  ReloadFigures reloads = {};
};

// Where the page's figures come from. The functions are called on the scraping thread and must be
// safe there; they must not wait for a worker.
struct Sources {
  std::vector<std::shared_ptr<const WorkerMetrics>> workers;  // index: worker label
  std::function<std::vector<BackendFigures>()> backends;
  std::function<std::vector<HealthFigures>()> health;
  std::function<std::vector<SrvFigures>()> srv = {};
  std::function<UserFigures()> users;
  std::function<std::vector<LimitFigures>()> limits;
  std::function<std::vector<SourceFigures>()> user_sources;
  std::function<std::vector<LookupServerFigures>()> lookup_servers;
  std::function<std::vector<GuessFigures>()> guesses;
  std::function<PoolMemoryFigures()> pool_memory = {};
  std::function<MoveFigures()> moves = {};
  std::function<ConfigInfo()> config;
  std::function<std::vector<CertificateFigures>()> certificates = {};
  std::shared_ptr<const AdminMetrics> admin = {};
  BuildInfo build;
};

// Adds up the workers' counters for each scrape; no worker is locked or woken. Any thread.
class Collector : public prometheus::Collectable {
 public:
  explicit Collector(Sources sources) : sources_(std::move(sources)) {}
  // As prometheus-cpp has it, for whatever else takes that.
  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;
  // The same as a page of text. One scrape at a time: what the page before is made of is kept.
  [[nodiscard]] std::string text();

 private:
  void gather(Page& page) const;

  const Sources sources_;
  std::mutex mutex_;  // guards what follows
  Page page_;
  std::size_t expected_ = 0;  // bytes of the next text
};

}  // namespace headgate::metrics
