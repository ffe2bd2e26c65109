#pragma once

#include <cstddef>
#include <string_view>

namespace headgate {

// Length in bytes of the well-formed UTF-8 character that `text` begins with (RFC 3629: no overlong
// forms, no surrogates, nothing above U+10FFFF); 0 where there is none.
std::size_t utf8_length(std::string_view text);
bool is_utf8(std::string_view text);

}  // namespace headgate
