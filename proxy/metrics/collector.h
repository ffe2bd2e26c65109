#pragma once

#include <prometheus/collectable.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "metrics/source_figures.h"
#include "metrics/worker_metrics.h"

namespace headgate::metrics {

// One backend at one moment, as the balance room knows it.
struct BackendFigures {
  std::string pool;
  std::string backend;  // "mail1.example.org:993"
  std::int64_t sessions = 0;
  std::uint64_t failures = 0;
  unsigned weight = 0;
  bool up = true;
  bool draining = false;
};

struct BuildInfo {
  std::string version;
  std::string openssl;
  std::string libuv;
};

struct ConfigInfo {
  std::string file;
  std::string hash;
  std::chrono::system_clock::time_point loaded;
};

// Where the page's figures come from. The functions are called on the scraping thread and must be
// safe there; they must not wait for a worker.
struct Sources {
  std::vector<std::shared_ptr<const WorkerMetrics>> workers;  // index: worker label
  std::function<std::vector<BackendFigures>()> backends;
  std::function<std::vector<SourceFigures>()> user_sources;
  std::function<ConfigInfo()> config;
  BuildInfo build;
};

// Adds up the workers' counters for each scrape; no worker is locked or woken.
class Collector : public prometheus::Collectable {
 public:
  explicit Collector(Sources sources) : sources_(std::move(sources)) {}
  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  Sources sources_;
};

}  // namespace headgate::metrics
