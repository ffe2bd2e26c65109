#include "admin/request_parts.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/printable.h"

namespace headgate::admin {
namespace {

// Cuts off what stands before the next `separator`.
std::string_view take_until(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  return taken;
}

std::optional<unsigned> digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? std::optional<unsigned>(lower - 'a' + 10) : std::nullopt;
}

enum class Plus : std::uint8_t { kIsSpace, kIsPlus };  // the former in forms alone

// nullopt: a '%' without its two digits, or a control character.
std::optional<std::string> decode(std::string_view text, Plus plus) {
  std::string decoded;
  for (std::size_t at = 0; at < text.size(); ++at) {
    char c = text[at] == '+' && plus == Plus::kIsSpace ? ' ' : text[at];
    if (c == '%') {
      const auto high = text.size() - at > 2 ? digit(text[at + 1]) : std::nullopt;
      const auto low = high ? digit(text[at + 2]) : std::nullopt;
      if (!low) {
        return std::nullopt;
      }
      c = static_cast<char>(*high * 16 + *low);
      at += 2;
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      return std::nullopt;
    }
    decoded += c;
  }
  return decoded;
}

}  // namespace

std::optional<std::vector<std::string_view>> match_path(std::string_view pattern,
                                                        std::string_view path) {
  std::vector<std::string_view> values;
  for (;;) {
    const bool last = pattern.find('/') == pattern.npos;
    if (last != (path.find('/') == path.npos)) {
      return std::nullopt;
    }
    const std::string_view wanted = take_until(pattern, '/');
    const std::string_view found = take_until(path, '/');
    const bool any = wanted.starts_with('{');
    if (any ? found.empty() : wanted != found) {
      return std::nullopt;
    }
    if (any) {
      values.push_back(found);
    }
    if (last) {
      return values;
    }
  }
}

std::expected<TargetParts, std::string> split_target(std::string_view target) {
  constexpr std::string_view kScheme = "http://";
  if (target.starts_with(kScheme)) {
    target.remove_prefix(std::min(target.find('/', kScheme.size()), target.size()));
  }
  auto path = decode(take_until(target, '?'), Plus::kIsPlus);
  if (!path) {
    return std::unexpected(std::string("expected a path, URL-encoded, without control characters"));
  }
  return TargetParts{.path = *std::move(path), .query = target};
}

std::expected<Parameters, std::string> parse_query(std::string_view query) {
  Parameters parameters;
  while (!query.empty()) {
    std::string_view value = take_until(query, '&');
    const auto name = decode(take_until(value, '='), Plus::kIsSpace);
    auto text = decode(value, Plus::kIsSpace);
    if (!name || !text) {
      return std::unexpected(
          std::string("expected a query of NAME=VALUE, URL-encoded, without "
                      "control characters"));
    }
    if (!parameters.emplace(*name, std::move(*text)).second) {
      return std::unexpected(
          fmt::format("expected each parameter once, found '{}' again", printable(*name)));
    }
  }
  return parameters;
}

}  // namespace headgate::admin
