#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace headgate::dialogue {

// The bounds on what one client may cost before it has logged in. A dialogue counts those it sees
// (bytes and attempts); the driver counts the last two, which need a clock or the other sessions.
enum class Limit : std::uint8_t {
  kLine,         // a command line, without its literals
  kLiteral,      // one literal
  kTotalBytes,   // everything before login
  kFailures,     // failed logins
  kBadCommands,  // commands refused as BAD
  kTime,         // whole time before login
  kSessions,     // sessions before login in all
};
inline constexpr std::size_t kLimitCount = 7;

// "total_bytes": logs and metric label.
std::string_view name(Limit limit);
std::span<const Limit> all_limits();

// How often each limit was hit in one session.
class LimitHits {
 public:
  void add(Limit limit) { ++hits_[static_cast<std::size_t>(limit)]; }
  [[nodiscard]] unsigned count(Limit limit) const { return hits_[static_cast<std::size_t>(limit)]; }

 private:
  std::array<unsigned, kLimitCount> hits_{};
};

}  // namespace headgate::dialogue
