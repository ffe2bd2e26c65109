#include "sources/map_source.h"

#include <algorithm>
#include <utility>

#include "base/ascii.h"
#include "base/name_template.h"

namespace headgate::sources {
namespace {

using Match = MapRules::Match;

std::string_view domain_of(std::string_view user) {
  const std::size_t at = user.rfind('@');
  return at == std::string_view::npos ? std::string_view() : user.substr(at + 1);
}

}  // namespace

MapRules::MapRules(std::vector<MapRule> rules) : rules_(std::move(rules)) {
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    if (rules_[i].pattern) {
      patterns_.push_back(i);
    } else if (!rules_[i].user.empty()) {
      users_.emplace(rules_[i].user, i);
    } else {
      domains_.emplace(rules_[i].domain, i);
    }
  }
}

const MapRule* MapRules::find(std::string_view user, Match& match) const {
  const std::string lower = lower_case(user);
  std::size_t first = rules_.size();
  if (const auto known = users_.find(lower); known != users_.end()) {
    first = known->second;
  }
  if (const auto known = domains_.find(domain_of(lower)); known != domains_.end()) {
    first = std::min(first, known->second);
  }
  for (const std::size_t i : patterns_) {
    if (i > first) {
      break;
    }
    if (std::regex_match(user.begin(), user.end(), match, *rules_[i].pattern)) {
      return &rules_[i];
    }
  }
  return first < rules_.size() ? &rules_[first] : nullptr;
}

auth::LookupResult MapSource::explain(std::string_view user) {
  if (user.size() > kLongestName) {
    return auth::Rejected{dialogue::LoginFailure::kWrongCredentials};
  }
  Match match;
  const MapRule* rule = rules_->find(user, match);
  if (rule == nullptr) {
    return auth::UnknownHere{};
  }
  auth::Route route;
  route.user =
      rule->rewrite.empty() ? std::string(user) : fill_name_template(rule->rewrite, user, match);
  if (route.user.empty()) {
    return auth::Rejected{dialogue::LoginFailure::kWrongCredentials};
  }
  route.pool = rule->pool;
  route.backend = rule->backend;
  return auth::Accepted{std::move(route)};
}

}  // namespace headgate::sources
