#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace headgate::migration {

// One directive of an nginx configuration, with what is in its braces.
struct NginxDirective {
  std::string name;
  std::vector<std::string> arguments;
  int line = 0;  // from 1
  std::vector<NginxDirective> block;
};

inline constexpr std::size_t kMostNginxDirectives = 100'000;
inline constexpr std::size_t kDeepestNginxBlock = 16;

// Words, quotes, escapes, comments, ';' and braces, as nginx reads them; what directives mean is
// not known here. The error is "LINE: expected …".
std::expected<std::vector<NginxDirective>, std::string> parse_nginx_config(std::string_view text);

// "60s", "1h30m", "1d 2h", "500ms", "90" (seconds); nullopt for anything else.
std::optional<std::chrono::milliseconds> parse_nginx_time(std::string_view text);

}  // namespace headgate::migration
