#include "config/pattern.h"

#include <fmt/format.h>

namespace headgate::config {
namespace {

// Each look-ahead inside another one multiplies the time by the length of the name.
constexpr std::size_t kMaxLookAheads = 2;

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + 1)) {
    ++found;
  }
  return found;
}

}  // namespace

std::expected<std::regex, std::string> compile_pattern(std::string_view pattern, Groups groups) {
  if (pattern.empty() || pattern.size() > kMaxPattern) {
    return std::unexpected(
        fmt::format("a regular expression (ECMAScript syntax) of 1 to {} bytes", kMaxPattern));
  }
  if (count(pattern, "(?=") + count(pattern, "(?!") > kMaxLookAheads) {
    return std::unexpected(
        fmt::format("a regular expression with at most {} look-aheads", kMaxLookAheads));
  }
  try {
    auto flags = std::regex::ECMAScript | std::regex::icase | std::regex_constants::__polynomial;
    if (groups == Groups::kDrop) {
      flags |= std::regex::nosubs;
    }
    return std::regex(pattern.begin(), pattern.end(), flags);
  } catch (const std::regex_error& error) {
    if (error.code() == std::regex_constants::error_complexity) {
      return std::unexpected(std::string("a regular expression without back-references"));
    }
    if (error.code() == std::regex_constants::error_space) {
      return std::unexpected(std::string("a regular expression with smaller repetitions"));
    }
    return std::unexpected(
        fmt::format("a regular expression (ECMAScript syntax; {})", error.what()));
  }
}

}  // namespace headgate::config
