#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace headgate {

// Text from outside made safe for a log line: valid UTF-8 is kept, control characters, broken
// UTF-8, quotes and backslashes become \xNN, and what is longer than `limit` bytes ends in "…".
std::string printable(std::string_view text, std::size_t limit = 256);

// `text` with "***" in the place of every `secret`, also where that stands as printable() shows it:
// some servers repeat in their reply what they were sent.
std::string without(std::string text, std::string_view secret);

}  // namespace headgate
