#pragma once

#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "auth/user_source.h"
#include "base/address.h"

namespace headgate::auth {

// One rule of a map: which users, and where these go. Exactly one of the first three is set.
struct MapRule {
  std::string user;                   // lower case; the whole name
  std::string domain;                 // lower case; what follows the last '@'
  std::optional<std::regex> pattern;  // of the whole name
  std::optional<std::string> pool;
  std::optional<HostPort> backend;
  std::string rewrite;  // name for the backend, a template; empty: the name that the client gave
};

// A template for names: {user}, {local_part}, {domain}, and {1} to {9}, which stand for the groups
// of the rule's pattern. Anything else in braces, or a brace alone, is none.
bool is_name_template(std::string_view text, std::size_t groups);

// Rules that say where users go; the first one that matches decides, and the backend checks the
// password. A name longer than any sane one is nobody's.
class MapSource : public UserSource {
 public:
  static constexpr std::size_t kLongestName = 512;  // bounds what a pattern can cost

  explicit MapSource(std::shared_ptr<const std::vector<MapRule>> rules)
      : rules_(std::move(rules)) {}

  void look_up(const LoginRequest& request, Callback done) override {
    done(explain(request.credentials.user));
  }
  LookupResult explain(std::string_view user) override;
  [[nodiscard]] std::string_view name() const override { return "map"; }

 private:
  std::shared_ptr<const std::vector<MapRule>> rules_;
};

}  // namespace headgate::auth
