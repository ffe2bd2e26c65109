#include "metrics/worker_metrics.h"

namespace headgate::metrics {
namespace {

template <typename Metrics>
Metrics& find_or_add(std::deque<Metrics>& all, std::atomic<Metrics*>& first,
                     std::string_view name) {
  for (Metrics& known : all) {
    if (known.name == name) {
      return known;
    }
  }
  Metrics& added = all.emplace_back(name);
  added.next = first.load(std::memory_order_relaxed);
  // A reader that sees the new head sees it whole.
  first.store(&added, std::memory_order_release);
  return added;
}

}  // namespace

WorkerMetrics::WorkerMetrics(const std::vector<std::string>& listeners)
    : login_duration{Histogram(kLoginBounds), Histogram(kLoginBounds), Histogram(kLoginBounds),
                     Histogram(kLoginBounds), Histogram(kLoginBounds)} {
  for (const std::string& name : listeners) {
    listener(name);
  }
}

ListenerMetrics& WorkerMetrics::listener(std::string_view name) {
  return find_or_add(listeners_, first_, name);
}

SourceMetrics& WorkerMetrics::source(std::string_view name) {
  return find_or_add(sources_, first_source_, name);
}

}  // namespace headgate::metrics
