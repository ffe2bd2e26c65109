#include "admin/json.h"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>

#include "base/utf8.h"

namespace headgate::admin {

std::string json_string(std::string_view text) {
  std::string quoted = "\"";
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const char front = text.front();
    if (length == 0) {
      quoted += "\\ufffd";
    } else if (front == '"' || front == '\\') {
      quoted += {'\\', front};
    } else if (static_cast<std::uint8_t>(front) < 0x20 || front == 0x7F) {
      fmt::format_to(std::back_inserter(quoted), "\\u{:04x}", static_cast<std::uint8_t>(front));
    } else {
      quoted += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return quoted + "\"";
}

}  // namespace headgate::admin
