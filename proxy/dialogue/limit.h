#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace headgate::dialogue {

// The bounds on what a client may do before login; each hit is counted under its name.
enum class Limit : std::uint8_t {
  kLine,         // bytes of a command line
  kLiteral,      // bytes of one literal
  kTotalBytes,   // bytes before login in all
  kTime,         // whole time before login
  kSessions,     // sessions before login in all
  kFailures,     // failed logins
  kBadCommands,  // commands answered BAD
};
inline constexpr std::size_t kLimitCount = 7;
inline constexpr std::array<std::string_view, kLimitCount> kLimitNames = {
    "line", "literal", "total_bytes", "time", "sessions", "failures", "bad_commands"};

constexpr std::string_view name(Limit limit) {
  return kLimitNames[static_cast<std::size_t>(limit)];
}

}  // namespace headgate::dialogue
