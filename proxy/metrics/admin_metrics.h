#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "metrics/instruments.h"

namespace headgate::metrics {

// The HTTP status codes that requests to the admin interface are answered with. 408 is none of
// them: there was no whole request, see AdminCut.
inline constexpr std::array<std::string_view, 13> kAdminCodeNames = {
    "200", "400", "401", "403", "404", "405", "409", "413", "422", "431", "500", "503", "other"};

enum class AdminCut : std::uint8_t {
  kTooMany,  // its address had as many as it may
  kTooSlow,  // a whole request did not come in time, or the answer was not taken
};
inline constexpr std::array<std::string_view, 2> kAdminCutNames = {"too_many", "too_slow"};

// The admin interface's own; its loop's thread writes, the scrape reads.
struct AdminMetrics {
  void count_request(int status) { requests[index_of(status)].add(); }
  void count_cut(AdminCut why) { cut[static_cast<std::size_t>(why)].add(); }

  std::array<Counter, kAdminCodeNames.size()> requests;
  Gauge connections;
  std::array<Counter, kAdminCutNames.size()> cut;

 private:
  static std::size_t index_of(int status) {
    const auto known = std::ranges::find(kAdminCodeNames, std::to_string(status));
    return std::min<std::size_t>(static_cast<std::size_t>(known - kAdminCodeNames.begin()),
                                 kAdminCodeNames.size() - 1);
  }
};

}  // namespace headgate::metrics
