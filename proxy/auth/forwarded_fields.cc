#include "auth/forwarded_fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/ascii.h"
#include "base/one_line.h"
#include "base/printable.h"
#include "base/utf8.h"

namespace headgate::auth {
namespace {

bool is_key(std::string_view text) {
  return !text.empty() && text.size() <= kLongestForwardedKey &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-';
         });
}

}  // namespace

std::expected<void, std::string> add_forwarded(std::string_view field, std::string_view value,
                                               Route& route) {
  const std::string_view key = field.substr(kForwardPrefix.size());
  if (value.empty()) {
    return {};
  }
  if (!is_key(key)) {
    return std::unexpected(
        fmt::format("expected at most {} letters, digits, - and _ behind {}, found '{}'",
                    kLongestForwardedKey, kForwardPrefix, printable(key, 64)));
  }
  if (value.size() > kLongestForwardedValue || !is_one_line(value) || !is_utf8(value)) {
    return std::unexpected(fmt::format("{}{}: expected at most {} bytes of text on one line",
                                       kForwardPrefix, key, kLongestForwardedValue));
  }
  // RFC 2971, 3.3: no field twice; its keys have no case.
  const auto known = std::ranges::find_if(route.forward, [key](const dialogue::IdField& each) {
    return equals_ignoring_case(each.key, key);
  });
  if (known != route.forward.end()) {
    known->value = value;
    return {};
  }
  if (route.forward.size() == kMostForwarded) {
    return std::unexpected(
        fmt::format("expected at most {} fields {}…", kMostForwarded, kForwardPrefix));
  }
  route.forward.push_back({.key = std::string(key), .value = std::string(value)});
  return {};
}

}  // namespace headgate::auth
