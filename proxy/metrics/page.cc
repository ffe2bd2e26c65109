#include "metrics/page.h"

#include <algorithm>
#include <chrono>
#include <string>

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

// `names` as in the catalogue.
void add_labels(prometheus::ClientMetric& series, std::string_view names) {
  while (!names.empty()) {
    const std::size_t comma = std::min(names.find(','), names.size());
    series.label.push_back({.name = std::string(names.substr(0, comma)), .value = {}});
    names.remove_prefix(std::min(comma + 1, names.size()));
  }
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

void HistogramSum::write_to(prometheus::ClientMetric::Histogram& histogram) const {
  histogram.bucket.resize(kHistogramBounds);
  std::uint64_t cumulative = 0;
  for (std::size_t bucket = 0; bucket < kHistogramBounds; ++bucket) {
    cumulative += counts_[bucket];
    histogram.bucket[bucket] = {cumulative,
                                std::chrono::duration<double>((*bounds_)[bucket]).count()};
  }
  // From the buckets, never from a count of its own: the two could be a moment apart.
  histogram.sample_count = cumulative + counts_.back();
  histogram.sample_sum = static_cast<double>(sum_us_) / 1e6;
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
  histogram.write_to(add_series(id, values).histogram);
}

void Page::start() {
  used_.fill(0);
}

const std::vector<prometheus::MetricFamily>& Page::finish() {
  for (std::size_t at = 0; at < families_.size(); ++at) {
    families_[at].metric.resize(used_[at]);
  }
  return families_;
}

prometheus::ClientMetric& Page::add_series(MetricId id, LabelValues values) {
  std::vector<prometheus::ClientMetric>& known = families_[index(id)].metric;
  const std::size_t at = used_[index(id)]++;
  if (at == known.size()) {
    add_labels(known.emplace_back(), info(id).labels);
  }
  prometheus::ClientMetric& series = known[at];
  auto label = series.label.begin();
  for (const std::string_view value : values) {
    if (label->value != value) {
      label->value = value;
    }
    ++label;
  }
  return series;
}

}  // namespace headgate::metrics
