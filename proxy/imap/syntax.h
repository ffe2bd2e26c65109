#pragma once

#include <string_view>

#include "base/ascii.h"

namespace headgate::imap {

// Character classes of RFC 3501 section 9. All are 7-bit: a byte above 0x7f is in none of them.
bool is_atom_char(char byte);
bool is_astring_char(char byte);  // atom characters and "]"
bool is_tag_char(char byte);      // astring characters without "+"

// An atom of at least one character.
bool is_atom(std::string_view text);
// A tag that is echoed. The length bound is ours: no client makes tags of more than a few bytes.
inline constexpr std::size_t kMaxTag = 126;
bool is_tag(std::string_view text);

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix);

}  // namespace headgate::imap
