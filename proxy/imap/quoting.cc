#include "imap/quoting.h"

#include <algorithm>

#include "base/one_line.h"

namespace headgate::imap {

namespace {

// Longer quoted strings are legal, but servers differ in how much of a line they take.
constexpr std::size_t kLongestQuoted = 1024;

bool is_printable(char byte) {
  return byte >= 0x20 && byte < 0x7f;
}

}  // namespace

bool fits_quoted(std::string_view text) {
  return text.size() <= kLongestQuoted && std::all_of(text.begin(), text.end(), is_printable);
}

std::string quotable(std::string_view text, std::size_t limit) {
  std::string out(text.substr(0, limit));
  std::replace_if(out.begin(), out.end(), [](char byte) { return !is_printable(byte); }, '?');
  return out;
}

void append_line_text(std::string_view text, std::string& out) {
  const std::size_t start = out.size();
  out += text;
  std::replace_if(out.begin() + static_cast<std::ptrdiff_t>(start), out.end(), is_line_break, ' ');
}

}  // namespace headgate::imap
