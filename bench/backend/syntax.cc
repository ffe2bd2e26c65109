#include "backend/syntax.h"

#include <algorithm>
#include <charconv>

namespace headgate::bench {

std::string_view next_word(std::string_view& rest) {
  const std::size_t end = std::min(rest.find(' '), rest.size());
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return word;
}

bool equals_ignoring_case(std::string_view left, std::string_view right) {
  return std::ranges::equal(left, right, [](char a, char b) {
    return a == b || ((a ^ b) == 0x20 && (a | 0x20) >= 'a' && (a | 0x20) <= 'z');
  });
}

std::optional<std::uint64_t> parse_number(std::string_view digits) {
  std::uint64_t number = 0;
  const char* const end = digits.data() + digits.size();
  const auto [parsed, error] = std::from_chars(digits.data(), end, number);
  if (error != std::errc() || parsed != end) {
    return std::nullopt;
  }
  return number;
}

std::optional<Literal> trailing_literal(std::string_view line) {
  if (line.empty() || line.back() != '}') {
    return std::nullopt;
  }
  const std::size_t open = line.rfind('{');
  if (open == std::string_view::npos) {
    return std::nullopt;
  }
  std::string_view digits = line.substr(open + 1, line.size() - open - 2);
  const bool synchronizing = digits.empty() || (digits.back() != '+' && digits.back() != '-');
  if (!synchronizing) {
    digits.remove_suffix(1);
  }
  const auto size = parse_number(digits);
  if (!size) {
    return std::nullopt;
  }
  return Literal{*size, synchronizing};
}

std::string first_astring(std::string_view arguments, const std::vector<std::string>& literals) {
  if (arguments.starts_with('{')) {
    return literals.empty() ? std::string() : literals.front();
  }
  if (!arguments.starts_with('"')) {
    return std::string(next_word(arguments));
  }
  std::string value;
  for (std::size_t i = 1; i < arguments.size() && arguments[i] != '"'; ++i) {
    i += arguments[i] == '\\' && i + 1 < arguments.size() ? 1 : 0;
    value.push_back(arguments[i]);
  }
  return value;
}

std::string decode_base64(std::string_view text) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned bits = 0;
  unsigned have = 0;
  for (const char letter : text) {
    const std::size_t value = kAlphabet.find(letter);
    if (value == std::string_view::npos) {
      continue;
    }
    bits = (bits << 6) | static_cast<unsigned>(value);
    have += 6;
    if (have >= 8) {
      have -= 8;
      bytes.push_back(static_cast<char>((bits >> have) & 0xff));
    }
  }
  return bytes;
}

}  // namespace headgate::bench
