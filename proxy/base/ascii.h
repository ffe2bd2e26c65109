#pragma once

#include <algorithm>
#include <string>
#include <string_view>

// Names and words of protocols without regard to the case of ASCII letters; all other bytes are
// taken as they are, whatever the locale.
namespace headgate {

constexpr char to_lower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + ('a' - 'A')) : byte;
}

inline std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), to_lower);
  return lower;
}

inline bool equals_ignoring_case(std::string_view one, std::string_view other) {
  return std::ranges::equal(one, other, {}, to_lower, to_lower);
}

}  // namespace headgate
