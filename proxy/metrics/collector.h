#pragma once

#include <prometheus/collectable.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

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

// One lookup server of one user source at one moment.
struct LookupServerFigures {
  std::string source;  // "users[0]"
  std::string server;  // its URL
  std::array<std::uint64_t, kLookupResultNames.size()> requests{};
  std::uint64_t hedges = 0;
  bool up = true;
  std::array<std::uint64_t, kHistogramBounds + 1> durations{};  // by kLoginBounds
  std::uint64_t sum_us = 0;
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
  std::function<std::vector<LookupServerFigures>()> lookup_servers = {};
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
