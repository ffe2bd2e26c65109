#include "metrics/worker_metrics.h"

namespace headgate::metrics {

WorkerMetrics::WorkerMetrics(const std::vector<std::string>& listeners)
    : login_duration{Histogram(kLoginBounds), Histogram(kLoginBounds), Histogram(kLoginBounds),
                     Histogram(kLoginBounds), Histogram(kLoginBounds)} {
  for (const std::string& name : listeners) {
    listener(name);
  }
}

ListenerMetrics& WorkerMetrics::listener(std::string_view name) {
  for (ListenerMetrics& known : listeners_) {
    if (known.name == name) {
      return known;
    }
  }
  ListenerMetrics& added = listeners_.emplace_back(name);
  added.next = first_.load(std::memory_order_relaxed);
  // A reader that sees the new head sees it whole.
  first_.store(&added, std::memory_order_release);
  return added;
}

}  // namespace headgate::metrics
