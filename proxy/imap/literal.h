#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace headgate::imap {

// The announcement of a literal: "{n}" or, non-synchronizing, "{n+}" (RFC 3501 section 4.3, RFC
// 7888).
struct LiteralHeader {
  // Bytes that follow the line end. More than 63 bits can say (RFC 9051: number64) is kTooLarge.
  std::uint64_t size = 0;
  bool synchronizing = true;  // the client waits for "+" before it sends the bytes
  std::size_t length = 0;     // of the announcement itself

  static constexpr std::uint64_t kTooLarge = std::numeric_limits<std::uint64_t>::max();
};

// The announcement that `line`, given without its line end, ends with.
std::optional<LiteralHeader> trailing_literal(std::string_view line);
// The announcement that `text` begins with.
std::optional<LiteralHeader> leading_literal(std::string_view text);

}  // namespace headgate::imap
