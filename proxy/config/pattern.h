#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <regex>
#include <string>
#include <string_view>

namespace headgate::config {

inline constexpr std::size_t kMaxPattern = 512;

// Whether the text that a group matched can be had afterwards.
enum class Groups : std::uint8_t { kDrop, kKeep };

// Compiles the pattern of a route: ECMAScript syntax, without regard to the case of ASCII letters
// (alice and Alice are one mailbox). Patterns come from the operator but names come from anyone, so
// the matcher used takes time proportional to pattern times name, whatever they are (each of the
// two look-aheads that a pattern may have is one more factor); back-references are refused, since
// it cannot do them. The error completes "expected …".
std::expected<std::regex, std::string> compile_pattern(std::string_view pattern,
                                                       Groups groups = Groups::kDrop);

}  // namespace headgate::config
