#include "base/printable.h"

#include <cstdint>

#include "base/utf8.h"

namespace headgate {

namespace {

bool needs_escape(std::string_view character) {
  const auto first = static_cast<std::uint8_t>(character[0]);
  if (character.size() == 1) {
    return first < 0x20 || first == 0x7f || first == '"' || first == '\\';
  }
  // U+0080 to U+009F are control characters too, U+2028 and U+2029 end lines for some readers, and
  // U+202A to U+202E and U+2066 to U+2069 turn the text around them.
  if (character.size() == 2) {
    return first == 0xc2 && static_cast<std::uint8_t>(character[1]) < 0xa0;
  }
  if (character.starts_with("\xe2\x80")) {
    const auto last = static_cast<std::uint8_t>(character[2]);
    return last >= 0xa8 && last <= 0xae;
  }
  if (character.starts_with("\xe2\x81")) {
    const auto last = static_cast<std::uint8_t>(character[2]);
    return last >= 0xa6 && last <= 0xa9;
  }
  return false;
}

void append_escaped(std::string_view bytes, std::string& out) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const char byte : bytes) {
    out += "\\x";
    out += kDigits[static_cast<std::uint8_t>(byte) >> 4];
    out += kDigits[static_cast<std::uint8_t>(byte) & 15];
  }
}

}  // namespace

std::string printable(std::string_view text, std::size_t limit) {
  std::string out;
  std::size_t taken = 0;
  while (taken < text.size()) {
    const std::string_view rest = text.substr(taken);
    const std::size_t length = utf8_length(rest);
    const std::string_view character = rest.substr(0, length == 0 ? 1 : length);
    if (taken + character.size() > limit) {
      out += "\xe2\x80\xa6";  // …
      break;
    }
    if (length == 0 || needs_escape(character)) {
      append_escaped(character, out);
    } else {
      out += character;
    }
    taken += character.size();
  }
  return out;
}

std::string without(std::string text, std::string_view secret) {
  for (const std::string& form : {std::string(secret), printable(secret)}) {
    for (std::size_t at = 0; !form.empty() && (at = text.find(form, at)) != std::string::npos;) {
      text.replace(at, form.size(), "***");
      at += 3;
    }
  }
  return text;
}

}  // namespace headgate
