#include "metrics/page.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

namespace headgate::metrics {
namespace {

prometheus::MetricType type_of(Type type) {
  switch (type) {
    case Type::kCounter:
      return prometheus::MetricType::Counter;
    case Type::kGauge:
      return prometheus::MetricType::Gauge;
    case Type::kHistogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

}  // namespace

void HistogramSum::add(const Histogram& histogram) {
  for (std::size_t bucket = 0; bucket < counts_.size(); ++bucket) {
    counts_[bucket] += histogram.count(bucket);
  }
  sum_us_ += histogram.sum_us();
}

void HistogramSum::add(const LookupServerFigures& figures) {
  for (std::size_t bucket = 0; bucket < counts_.size(); ++bucket) {
    counts_[bucket] += figures.durations[bucket];
  }
  sum_us_ += figures.sum_us;
}

prometheus::ClientMetric::Histogram HistogramSum::result() const {
  prometheus::ClientMetric::Histogram result;
  std::uint64_t cumulative = 0;
  for (std::size_t bucket = 0; bucket < kHistogramBounds; ++bucket) {
    cumulative += counts_[bucket];
    result.bucket.push_back(
        {cumulative, std::chrono::duration<double>((*bounds_)[bucket]).count()});
  }
  // From the buckets, never from a count of its own: the two could be a moment apart.
  result.sample_count = cumulative + counts_.back();
  result.sample_sum = static_cast<double>(sum_us_) / 1e6;
  return result;
}

Page::Page() {
  for (const Metric& metric : kCatalog) {
    prometheus::MetricFamily& family = families_.emplace_back();
    family.name = metric.name;
    family.help = metric.help;
    family.type = type_of(metric.type);
  }
}

void Page::add(MetricId id, LabelValues values, const HistogramSum& histogram) {
  add_series(id, values).histogram = histogram.result();
}

std::vector<prometheus::MetricFamily> Page::take() {
  std::erase_if(families_,
                [](const prometheus::MetricFamily& family) { return family.metric.empty(); });
  return std::move(families_);
}

prometheus::ClientMetric& Page::add_series(MetricId id, LabelValues values) {
  prometheus::ClientMetric& series = families_[index(id)].metric.emplace_back();
  std::string_view names = info(id).labels;
  for (const std::string_view value : values) {
    const std::size_t comma = std::min(names.find(','), names.size());
    series.label.push_back({std::string(names.substr(0, comma)), std::string(value)});
    names.remove_prefix(std::min(comma + 1, names.size()));
  }
  return series;
}

}  // namespace headgate::metrics
