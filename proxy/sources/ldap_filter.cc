#include "sources/ldap_filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/printable.h"

namespace headgate::sources {
namespace {

constexpr std::string_view kUser = "user";
constexpr std::string_view kLocalPart = "local_part";
constexpr std::string_view kDomain = "domain";

// Whether every '(' has its ')' and nothing stands outside of the first pair.
bool is_balanced(std::string_view text) {
  int depth = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    depth += text[at] == '(' ? 1 : (text[at] == ')' ? -1 : 0);
    if (depth < 0 || (depth == 0 && at + 1 != text.size())) {
      return false;
    }
  }
  return depth == 0 && !text.empty();
}

}  // namespace

std::expected<LdapFilter, std::string> LdapFilter::parse(std::string text) {
  bool names_user = false;
  for (std::size_t at = text.find('{'); at != std::string::npos; at = text.find('{', at + 1)) {
    const std::size_t end = std::min(text.find('}', at), text.size());
    const std::string_view name = std::string_view(text).substr(at + 1, end - at - 1);
    if (end == text.size() || (name != kUser && name != kLocalPart && name != kDomain)) {
      return std::unexpected(fmt::format(
          "expected the placeholders {{user}}, {{local_part}} and {{domain}}; found '{}'",
          printable(text.substr(at, end + 1 - at), 64)));
    }
    names_user = names_user || name != kDomain;
  }
  if (!names_user) {
    return std::unexpected(std::string("expected {user} or {local_part} in the filter"));
  }
  if (!is_balanced(text)) {
    return std::unexpected(std::string("expected a filter in parentheses, each of them closed"));
  }
  return LdapFilter(std::move(text));
}

std::string LdapFilter::fill(std::string_view user) const {
  const std::size_t at_sign = user.rfind('@');
  const std::string_view domain =
      at_sign == std::string_view::npos ? std::string_view() : user.substr(at_sign + 1);
  std::string filled;
  for (std::size_t at = 0; at < text_.size(); ++at) {
    if (text_[at] != '{') {
      filled += text_[at];
      continue;
    }
    const std::size_t end = text_.find('}', at);
    const std::string_view name = std::string_view(text_).substr(at + 1, end - at - 1);
    filled += escape_ldap_value(name == kUser        ? user
                                : name == kLocalPart ? user.substr(0, at_sign)
                                                     : domain);
    at = end;
  }
  return filled;
}

std::string escape_ldap_value(std::string_view value) {
  std::string escaped;
  for (const char byte : value) {
    const auto code = static_cast<unsigned char>(byte);
    const bool special = byte == '*' || byte == '(' || byte == ')' || byte == '\\';
    if (special || code < 0x20 || code >= 0x7F) {
      escaped += fmt::format("\\{:02x}", code);
    } else {
      escaped += byte;
    }
  }
  return escaped;
}

}  // namespace headgate::sources
