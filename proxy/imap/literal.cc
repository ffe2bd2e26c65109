#include "imap/literal.h"

namespace headgate::imap {

namespace {

bool is_digit(char byte) {
  return byte >= '0' && byte <= '9';
}

}  // namespace

std::optional<LiteralHeader> leading_literal(std::string_view text) {
  if (!text.starts_with('{')) {
    return std::nullopt;
  }
  LiteralHeader header;
  std::size_t at = 1;
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  for (; at < text.size() && is_digit(text[at]); ++at) {
    const auto digit = static_cast<std::uint64_t>(text[at] - '0');
    if (header.size == LiteralHeader::kTooLarge || header.size > (kMost - digit) / 10) {
      header.size = LiteralHeader::kTooLarge;
    } else {
      header.size = header.size * 10 + digit;
    }
  }
  if (at == 1) {
    return std::nullopt;
  }
  if (at < text.size() && text[at] == '+') {
    header.synchronizing = false;
    ++at;
  }
  if (at == text.size() || text[at] != '}') {
    return std::nullopt;
  }
  header.length = at + 1;
  return header;
}

std::optional<LiteralHeader> trailing_literal(std::string_view line) {
  if (!line.ends_with('}')) {
    return std::nullopt;
  }
  const std::size_t open = line.rfind('{');
  if (open == line.npos) {
    return std::nullopt;
  }
  const std::optional<LiteralHeader> header = leading_literal(line.substr(open));
  return header && header->length == line.size() - open ? header : std::nullopt;
}

}  // namespace headgate::imap
