#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "load/histogram.h"

namespace headgate::bench {

// What a run found, in the order in which it was said. Numbers by name, printed as text or as one
// flat JSON object; the first failure makes the run one.
class Report {
 public:
  void set(std::string_view name, double value);
  // name_p50_us, _p90_, _p99_, _p999_, _max_, _mean_ and name_count.
  void set_latency(std::string_view name, const Histogram& histogram);
  void fail(std::string_view why);

  [[nodiscard]] bool ok() const { return failures_.empty(); }
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::string json() const;

 private:
  std::vector<std::pair<std::string, double>> values_;
  std::vector<std::string> failures_;
};

}  // namespace headgate::bench
