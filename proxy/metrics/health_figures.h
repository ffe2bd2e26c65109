#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "dialogue/backend_check.h"

namespace headgate::metrics {

// What can be said of a backend: the balance room's HealthState, by its names.
inline constexpr std::array<std::string_view, 6> kBackendStateNames = {
    "up", "starting", "slow", "failed", "panic", "down"};

// One backend as its health checks see it, at one moment.
struct HealthFigures {
  std::string pool;
  std::string backend;
  std::string_view state;  // one of kBackendStateNames
  std::chrono::system_clock::time_point since;
  bool passes = true;                     // the checks' verdict
  std::uint32_t tenths = 10;              // of its weight that count
  std::chrono::microseconds login_p95{};  // over the window; zero: no login
  std::uint64_t passed = 0;
  std::uint64_t failed = 0;
  // Of the last check that passed, by dialogue::CheckStage; zero: there was nothing to do.
  std::array<std::chrono::microseconds, dialogue::kCheckStageNames.size()> stages{};
};

}  // namespace headgate::metrics
