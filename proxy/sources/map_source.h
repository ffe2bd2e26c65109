#pragma once

#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "auth/user_source.h"
#include "base/address.h"

namespace headgate::sources {

// One rule of a map: which users, and where these go. Exactly one of the first three is set.
struct MapRule {
  std::string user;                   // lower case; the whole name
  std::string domain;                 // lower case; what follows the last '@'
  std::optional<std::regex> pattern;  // of the whole name
  std::optional<std::string> pool;
  std::optional<HostPort> backend;
  std::string rewrite;  // name for the backend, a template (is_name_template()); empty: the name
                        // that the client gave
};

// Rules with what finds them: a look-up costs as much as the patterns before the rule that it
// finds, however many names and domains there are.
class MapRules {
 public:
  using Match = std::match_results<std::string_view::const_iterator>;

  explicit MapRules(std::vector<MapRule> rules);
  MapRules(const MapRules&) = delete;
  MapRules& operator=(const MapRules&) = delete;

  [[nodiscard]] const std::vector<MapRule>& all() const { return rules_; }
  // The first rule that matches, nullptr without any; `match` has the groups of its pattern.
  const MapRule* find(std::string_view user, Match& match) const;

 private:
  std::vector<MapRule> rules_;
  // The place of the first rule for each, and of all patterns; the keys are those of the rules.
  std::unordered_map<std::string_view, std::size_t> users_;
  std::unordered_map<std::string_view, std::size_t> domains_;
  std::vector<std::size_t> patterns_;
};

// Rules that say where users go; the first one that matches decides, and the backend checks the
// password. A name longer than any sane one is nobody's.
class MapSource : public auth::UserSource {
 public:
  static constexpr std::size_t kLongestName = 512;  // bounds what a pattern can cost

  explicit MapSource(std::shared_ptr<const MapRules> rules) : rules_(std::move(rules)) {}

  void look_up(const auth::LoginRequest& request, Callback done) override {
    done(explain(request.credentials.user));
  }
  auth::LookupResult explain(std::string_view user) override;
  [[nodiscard]] std::string_view name() const override { return "map"; }

 private:
  std::shared_ptr<const MapRules> rules_;
};

}  // namespace headgate::sources
