#include "auth/max_sessions.h"

#include <fmt/format.h>

#include <charconv>

#include "base/printable.h"

namespace headgate::auth {

std::expected<void, std::string> set_max_sessions(std::string_view field, std::string_view value,
                                                  Route& route) {
  if (value.empty()) {
    return {};
  }
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || number > kMostSessionsOfUser) {
    return std::unexpected(fmt::format("{}: expected a whole number from 0 to {}, found '{}'",
                                       field, kMostSessionsOfUser, printable(value, 64)));
  }
  route.max_sessions = number;
  return {};
}

}  // namespace headgate::auth
