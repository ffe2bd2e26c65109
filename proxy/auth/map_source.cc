#include "auth/map_source.h"

#include <algorithm>
#include <utility>

namespace headgate::auth {
namespace {

using Match = std::match_results<std::string_view::const_iterator>;

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char byte) {
    return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + ('a' - 'A')) : byte;
  });
  return lower;
}

std::string_view domain_of(std::string_view user) {
  const std::size_t at = user.rfind('@');
  return at == std::string_view::npos ? std::string_view() : user.substr(at + 1);
}

bool matches(const MapRule& rule, std::string_view user, const std::string& lower, Match& match) {
  if (rule.pattern) {
    return std::regex_match(user.begin(), user.end(), match, *rule.pattern);
  }
  return rule.user.empty() ? domain_of(lower) == rule.domain : lower == rule.user;
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

std::string fill(std::string_view text, std::string_view user, const Match& match) {
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

LookupResult MapSource::explain(std::string_view user) {
  if (user.size() > kLongestName) {
    return Rejected{dialogue::LoginFailure::kWrongCredentials};
  }
  const std::string lower = lower_case(user);
  Match match;
  for (const MapRule& rule : *rules_) {
    if (!matches(rule, user, lower, match)) {
      continue;
    }
    Route route;
    route.user = rule.rewrite.empty() ? std::string(user) : fill(rule.rewrite, user, match);
    if (route.user.empty()) {
      return Rejected{dialogue::LoginFailure::kWrongCredentials};
    }
    route.pool = rule.pool;
    route.backend = rule.backend;
    return Accepted{std::move(route)};
  }
  return UnknownHere{};
}

}  // namespace headgate::auth
