#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/secret.h"

namespace headgate::imap {

enum class Parse : std::uint8_t {
  kOk,
  kBad,      // against the grammar, however it may go on
  kLiteral,  // right so far; the text ends with the announcement of a literal
};

// Reads the arguments of a command from left to right (RFC 3501 section 9). Each step takes exactly
// what it names, or nothing and says why. Literals stand in the text as CommandReader leaves them.
class Arguments {
 public:
  explicit Arguments(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  // One character, for example a space or a parenthesis.
  bool take(char wanted);
  // The word NIL, in any case, where no atom goes on behind it.
  bool take_nil();
  // An atom; empty: there is none.
  std::string_view atom();
  // Everything up to the next space or the end; may be empty.
  std::string_view word();
  // Appends the value. Quoted strings may hold UTF-8 (RFC 9051) or any other byte above 0x7f;
  // a NUL is bad in every form.
  Parse astring(Secret& out);
  Parse string(Secret& out);

 private:
  Parse quoted(Secret& out);
  Parse literal(Secret& out);

  std::string_view rest_;
};

}  // namespace headgate::imap
