#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace headgate::metrics {

inline constexpr std::array<std::string_view, 4> kMoveStateNames = {"waiting", "ending", "hook",
                                                                    "held"};
inline constexpr std::array<std::string_view, 3> kMoveResultNames = {"done", "failed", "undone"};
inline constexpr std::array<std::string_view, 3> kMoveHookResultNames = {"ok", "failed", "timeout"};

// Users that operators have others moved, and the hook that is called for each.
struct MoveFigures {
  std::array<std::size_t, kMoveStateNames.size()> users{};  // that are not over, by state
  std::array<std::uint64_t, kMoveResultNames.size()> results{};
  std::array<std::uint64_t, kMoveHookResultNames.size()> hooks{};
  double hook_seconds = 0;  // of all hooks that have ended
};

}  // namespace headgate::metrics
