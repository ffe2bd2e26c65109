#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace headgate::sources {

// A search filter (RFC 4515) with {user}, {local_part} and {domain} in it, which stand for the name
// that the client gave, what stands before its last '@' (all of it without one), and what stands
// behind it. The values are escaped: no name can change what is searched for.
class LdapFilter {
 public:
  // The error begins with "expected".
  static std::expected<LdapFilter, std::string> parse(std::string text);

  [[nodiscard]] std::string fill(std::string_view user) const;

 private:
  explicit LdapFilter(std::string text) : text_(std::move(text)) {}

  std::string text_;
};

// An assertion value (RFC 4515 section 3) that stands for these very bytes.
std::string escape_ldap_value(std::string_view value);

}  // namespace headgate::sources
