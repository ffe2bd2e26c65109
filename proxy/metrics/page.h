#pragma once

#include <prometheus/metric_family.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "metrics/catalog.h"
#include "metrics/instruments.h"
#include "metrics/source_figures.h"

namespace headgate::metrics {

// Several workers' histograms of one series, added up.
class HistogramSum {
 public:
  explicit HistogramSum(const Bounds& bounds) : bounds_(&bounds) {}

  void add(const Histogram& histogram);
  void add(const LookupServerFigures& figures);
  void write_to(prometheus::ClientMetric::Histogram& histogram) const;

 private:
  const Bounds* bounds_;
  std::array<std::uint64_t, kHistogramBounds + 1> counts_{};
  std::uint64_t sum_us_ = 0;
};

// A metrics page in the making: one family for each metric of the catalogue, in its order. A page
// that is made again from start() has mostly the series that it had, and their labels are most of
// the work, so those stay where they are.
class Page {
 public:
  using LabelValues = std::initializer_list<std::string_view>;

  Page();

  void start();

  // `values` in the order of the metric's labels.
  void add(MetricId id, LabelValues values, auto number) {
    prometheus::ClientMetric& series = add_series(id, values);
    if (info(id).type == Type::kCounter) {
      series.counter.value = static_cast<double>(number);
    } else {
      series.gauge.value = static_cast<double>(number);
    }
  }
  void add(MetricId id, LabelValues values, const HistogramSum& histogram);

  // All families; valid until start(). A metric without series at this moment (no pool yet) has an
  // empty one.
  const std::vector<prometheus::MetricFamily>& finish();

 private:
  prometheus::ClientMetric& add_series(MetricId id, LabelValues values);

  std::vector<prometheus::MetricFamily> families_;
  std::array<std::size_t, kCatalog.size()> used_{};  // of each family's series, since start()
};

}  // namespace headgate::metrics
