#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace headgate::bench {

// As little IMAP syntax as a server needs that believes its client.

// The text up to the next space; removes both from `rest`.
std::string_view next_word(std::string_view& rest);
bool equals_ignoring_case(std::string_view left, std::string_view right);
std::optional<std::uint64_t> parse_number(std::string_view digits);

struct Literal {
  std::uint64_t size;
  bool synchronizing;  // the client waits for "+"
};
// The {n} or {n+} that `line` ends with.
std::optional<Literal> trailing_literal(std::string_view line);

// The first argument as a string: atom, quoted, or the first of `literals`.
std::string first_astring(std::string_view arguments, const std::vector<std::string>& literals);

// Nothing is checked: what is not base64 is skipped.
std::string decode_base64(std::string_view text);

}  // namespace headgate::bench
