#pragma once

#include <algorithm>
#include <string_view>

namespace headgate {

// What text inside a line cannot hold, in any of our protocols. Not a find_first_of(): that calls
// memchr for every byte of the text, which was a fifth of the instructions of a client's login.
constexpr bool is_line_break(char byte) {
  return byte == '\r' || byte == '\n' || byte == '\0';
}

constexpr bool is_one_line(std::string_view text) {
  return std::ranges::none_of(text, is_line_break);
}

}  // namespace headgate
