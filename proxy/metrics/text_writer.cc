#include "metrics/text_writer.h"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <utility>

namespace headgate::metrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// 2^53. Most figures are whole numbers below, and those are written faster as what they are.
constexpr double kExactIntegers = 9007199254740992.0;

std::string_view name_of(MetricType type) {
  switch (type) {
    case MetricType::Counter:
      return "counter";
    case MetricType::Gauge:
      return "gauge";
    case MetricType::Histogram:
      return "histogram";
    default:
      return "untyped";
  }
}

void add_number(std::string& page, auto number) {
  fmt::format_to(std::back_inserter(page), FMT_COMPILE("{}"), number);
}

void add_figure(std::string& page, double figure) {
  if (std::isnan(figure)) {
    page += "NaN";
  } else if (std::isinf(figure)) {
    page += figure > 0 ? "+Inf" : "-Inf";
  } else if (std::abs(figure) < kExactIntegers && std::trunc(figure) == figure) {
    add_number(page, static_cast<std::int64_t>(figure));
  } else {
    add_number(page, figure);
  }
}

enum class Where : std::uint8_t { kHelp, kLabelValue };

// Backslashes, ends of lines and, in label values, quotes.
void add_escaped(std::string& page, std::string_view text, Where where) {
  const auto is_special = [where](char c) {
    return c == '\\' || c == '\n' || (c == '"' && where == Where::kLabelValue);
  };
  while (!text.empty()) {
    const auto plain =
        static_cast<std::size_t>(std::ranges::find_if(text, is_special) - text.begin());
    page += text.substr(0, plain);
    if (plain == text.size()) {
      return;
    }
    page += '\\';
    page += text[plain] == '\n' ? 'n' : text[plain];
    text.remove_prefix(plain + 1);
  }
}

// Name and labels; `le` is the bound of a histogram's bucket.
void add_series(std::string& page, std::string_view name, std::string_view suffix,
                const ClientMetric& series, const double* le = nullptr) {
  page += name;
  page += suffix;
  char before = '{';
  for (const ClientMetric::Label& label : series.label) {
    page += std::exchange(before, ',');
    page += label.name;
    page += "=\"";
    add_escaped(page, label.value, Where::kLabelValue);
    page += '"';
  }
  if (le != nullptr) {
    page += std::exchange(before, ',');
    page += "le=\"";
    add_figure(page, *le);
    page += '"';
  }
  page += before == ',' ? "} " : " ";
}

void add_histogram(std::string& page, std::string_view name, const ClientMetric& series) {
  const ClientMetric::Histogram& histogram = series.histogram;
  add_series(page, name, "_count", series);
  add_number(page, histogram.sample_count);
  page += '\n';
  add_series(page, name, "_sum", series);
  add_figure(page, histogram.sample_sum);
  page += '\n';
  for (const ClientMetric::Bucket& bucket : histogram.bucket) {
    add_series(page, name, "_bucket", series, &bucket.upper_bound);
    add_number(page, bucket.cumulative_count);
    page += '\n';
  }
  if (histogram.bucket.empty() || !std::isinf(histogram.bucket.back().upper_bound)) {
    const double all = INFINITY;
    add_series(page, name, "_bucket", series, &all);
    add_number(page, histogram.sample_count);
    page += '\n';
  }
}

void add_family(std::string& page, const MetricFamily& family) {
  page += "# HELP ";
  page += family.name;
  page += ' ';
  add_escaped(page, family.help, Where::kHelp);
  page += "\n# TYPE ";
  page += family.name;
  page += ' ';
  page += name_of(family.type);
  page += '\n';
  for (const ClientMetric& series : family.metric) {
    if (family.type == MetricType::Histogram) {
      add_histogram(page, family.name, series);
      continue;
    }
    add_series(page, family.name, "", series);
    add_figure(page,
               family.type == MetricType::Counter ? series.counter.value : series.gauge.value);
    page += '\n';
  }
}

}  // namespace

std::string to_text(const std::vector<MetricFamily>& families, std::size_t expected) {
  std::string page;
  page.reserve(expected);
  for (const MetricFamily& family : families) {
    if (!family.metric.empty()) {
      add_family(page, family);
    }
  }
  return page;
}

}  // namespace headgate::metrics
