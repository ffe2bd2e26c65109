#include "imap/arguments.h"

#include <algorithm>

#include "base/one_line.h"
#include "imap/literal.h"
#include "imap/syntax.h"

namespace headgate::imap {

bool Arguments::take(char wanted) {
  if (!rest_.starts_with(wanted)) {
    return false;
  }
  rest_.remove_prefix(1);
  return true;
}

bool Arguments::take_nil() {
  if (!starts_with_ignoring_case(rest_, "NIL") || (rest_.size() > 3 && is_astring_char(rest_[3]))) {
    return false;
  }
  rest_.remove_prefix(3);
  return true;
}

std::string_view Arguments::atom() {
  const auto* const end = std::find_if_not(rest_.begin(), rest_.end(), is_atom_char);
  const std::string_view found(rest_.begin(), end);
  rest_.remove_prefix(found.size());
  return found;
}

std::string_view Arguments::word() {
  const std::string_view found = rest_.substr(0, rest_.find(' '));
  rest_.remove_prefix(found.size());
  return found;
}

Parse Arguments::astring(Secret& out) {
  if (rest_.starts_with('"') || rest_.starts_with('{')) {
    return string(out);
  }
  const auto* const end = std::find_if_not(rest_.begin(), rest_.end(), is_astring_char);
  const std::string_view found(rest_.begin(), end);
  rest_.remove_prefix(found.size());
  out.append(found);
  return found.empty() ? Parse::kBad : Parse::kOk;
}

Parse Arguments::string(Secret& out) {
  if (rest_.starts_with('"')) {
    return quoted(out);
  }
  return rest_.starts_with('{') ? literal(out) : Parse::kBad;
}

Parse Arguments::quoted(Secret& out) {
  constexpr auto kSpecial = [](char byte) {
    return byte == '"' || byte == '\\' || is_line_break(byte);
  };
  rest_.remove_prefix(1);
  while (true) {
    const auto special_at = std::ranges::find_if(rest_, kSpecial);
    if (special_at == rest_.end()) {
      return Parse::kBad;
    }
    const auto plain = static_cast<std::size_t>(special_at - rest_.begin());
    out.append(rest_.substr(0, plain));
    const char special = rest_[plain];
    rest_.remove_prefix(plain + 1);
    if (special == '"') {
      return Parse::kOk;
    }
    if (special != '\\' || rest_.empty() || (rest_[0] != '"' && rest_[0] != '\\')) {
      return Parse::kBad;
    }
    out.append(rest_[0]);
    rest_.remove_prefix(1);
  }
}

Parse Arguments::literal(Secret& out) {
  const auto header = leading_literal(rest_);
  if (!header) {
    return Parse::kBad;
  }
  rest_.remove_prefix(header->length);
  if (rest_.empty()) {
    return Parse::kLiteral;
  }
  if (!rest_.starts_with("\r\n") || rest_.size() - 2 < header->size) {
    return Parse::kBad;
  }
  const std::string_view value = rest_.substr(2, header->size);
  rest_.remove_prefix(2 + value.size());
  out.append(value);
  return value.contains('\0') ? Parse::kBad : Parse::kOk;
}

}  // namespace headgate::imap
