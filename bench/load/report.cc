#include "load/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace headgate::bench {
namespace {

// Enough digits for any figure here, none for whole numbers.
std::string number(double value) {
  return fmt::format("{:.10g}", value);
}

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') {
      result.push_back('\\');
      result.push_back(letter);
    } else if (static_cast<unsigned char>(letter) < 0x20) {
      result += fmt::format("\\u{:04x}", static_cast<unsigned>(letter));
    } else {
      result.push_back(letter);
    }
  }
  return result + '"';
}

}  // namespace

void Report::set(std::string_view name, double value) {
  values_.emplace_back(name, value);
}

void Report::set_latency(std::string_view name, const Histogram& histogram) {
  static constexpr std::array<std::pair<std::string_view, double>, 4> kShares = {
      {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}}};
  set(fmt::format("{}_count", name), static_cast<double>(histogram.count()));
  for (const auto& [label, share] : kShares) {
    set(fmt::format("{}_{}_us", name, label),
        static_cast<double>(histogram.percentile(share)) / 1000);
  }
  set(fmt::format("{}_max_us", name), static_cast<double>(histogram.max()) / 1000);
  set(fmt::format("{}_mean_us", name), histogram.mean() / 1000);
}

void Report::fail(std::string_view why) {
  static constexpr std::size_t kEnough = 10;
  if (failures_.size() < kEnough && std::ranges::find(failures_, why) == failures_.end()) {
    failures_.emplace_back(why);
  }
}

std::string Report::text() const {
  std::string result;
  for (const auto& [name, value] : values_) {
    fmt::format_to(std::back_inserter(result), "{:<28} {}\n", name, number(value));
  }
  for (const std::string& failure : failures_) {
    fmt::format_to(std::back_inserter(result), "FAILED: {}\n", failure);
  }
  return result;
}

std::string Report::json() const {
  std::string result = fmt::format("{{\"ok\": {}, \"failures\": [", ok());
  for (std::size_t i = 0; i < failures_.size(); ++i) {
    result += (i == 0 ? "" : ", ") + quoted(failures_[i]);
  }
  result += ']';
  for (const auto& [name, value] : values_) {
    fmt::format_to(std::back_inserter(result), ", {}: {}", quoted(name), number(value));
  }
  return result + "}\n";
}

}  // namespace headgate::bench
