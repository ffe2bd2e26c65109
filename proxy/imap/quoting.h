#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace headgate::imap {

// Whether `text` may go to any server as a quoted string: printable ASCII of a sensible length.
bool fits_quoted(std::string_view text);
// `text` made fit for a quoted string: cut to `limit` bytes, each byte that is not printable ASCII
// becomes "?".
std::string quotable(std::string_view text, std::size_t limit);

// Appends `text`, which must fit, in quotes and with escapes to a std::string or a Secret.
template <typename Out>
void append_quoted(std::string_view text, Out& out) {
  out.append("\"");
  while (true) {
    const std::size_t plain = text.find_first_of("\"\\");
    out.append(text.substr(0, plain));
    if (plain == text.npos) {
      break;
    }
    out.append("\\");
    out.append(text.substr(plain, 1));
    text.remove_prefix(plain + 1);
  }
  out.append("\"");
}

// Appends human-readable text from elsewhere to a line: a byte that could end or cut the line
// becomes a space.
void append_line_text(std::string_view text, std::string& out);

}  // namespace headgate::imap
