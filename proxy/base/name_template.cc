#include "base/name_template.h"

#include <algorithm>

namespace headgate {
namespace {

using Match = std::match_results<std::string_view::const_iterator>;

std::string_view domain_of(std::string_view user) {
  const std::size_t at = user.rfind('@');
  return at == std::string_view::npos ? std::string_view() : user.substr(at + 1);
}

std::string value_of(std::string_view placeholder, std::string_view user, const Match& match) {
  if (placeholder == "user") {
    return std::string(user);
  }
  if (placeholder == "local_part") {
    return std::string(user.substr(0, user.rfind('@')));
  }
  return placeholder == "domain" ? std::string(domain_of(user))
                                 : match.str(static_cast<std::size_t>(placeholder.front() - '0'));
}

}  // namespace

bool is_name_template(std::string_view text, std::size_t groups) {
  while (!text.empty()) {
    const std::size_t open = text.find_first_of("{}");
    if (open == std::string_view::npos) {
      return true;
    }
    const std::size_t close = text.find('}', open);
    if (text[open] == '}' || close == std::string_view::npos) {
      return false;
    }
    const std::string_view name = text.substr(open + 1, close - open - 1);
    const bool group = name.size() == 1 && name[0] >= '1' && name[0] <= '9' &&
                       static_cast<std::size_t>(name[0] - '0') <= groups;
    if (!group && name != "user" && name != "local_part" && name != "domain") {
      return false;
    }
    text.remove_prefix(close + 1);
  }
  return true;
}

std::string fill_name_template(std::string_view text, std::string_view user, const Match& match) {
  std::string filled;
  while (!text.empty()) {
    const std::size_t open = std::min(text.find('{'), text.size());
    filled += text.substr(0, open);
    text.remove_prefix(open);
    if (!text.empty()) {
      const std::size_t close = text.find('}');
      filled += value_of(text.substr(1, close - 1), user, match);
      text.remove_prefix(close + 1);
    }
  }
  return filled;
}

}  // namespace headgate
