#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "auth/user_source.h"
#include "base/address.h"
#include "config/config.h"

namespace headgate::server {

// Longer user names are no user's: it bounds what a route's pattern can cost.
inline constexpr std::size_t kMaxUserName = 512;

// What decided about the pool.
enum class RoutedBy : std::uint8_t {
  kSourceBackend,  // the user source named a backend
  kSourcePool,     // the user source named a pool
  kRoute,          // routes[rule]
  kDefault,        // users[rule].pool
  kRemembered,     // of several pools, the one that let the user in of late
  kInTurn,         // of several pools, the one whose turn it is
};

struct Routed {
  std::size_t pool = 0;             // index in Config::pools
  std::optional<HostPort> backend;  // set: no other one will do; need not be one of the pool's
  RoutedBy by = RoutedBy::kDefault;
  std::size_t rule = 0;  // kRoute: index of the route; else: of the user source
};

// The rules that choose a pool, compiled once: what a source says, then the first route that
// matches, then the source's own pool. Immutable; the running server and `headgate explain` share
// it.
class Routing {
 public:
  // The configuration must outlive it, and must have been checked.
  explicit Routing(const config::Config& config);

  // `user` is the name the client logged in with, `source` the index of the source in
  // Config::users that gave `route`. The error is for the log: the source named a pool that
  // does not exist, or the name is too long.
  [[nodiscard]] std::expected<Routed, std::string> route(std::string_view user,
                                                         const auth::Route& route,
                                                         std::size_t source) const;

  // Why, in words: "routes[1]: domain example.org".
  [[nodiscard]] std::string explain(const Routed& routed) const;

 private:
  struct Rule {
    std::string domain;  // lower case; empty: by pattern
    std::optional<std::regex> regex;
    std::size_t pool = 0;
  };

  [[nodiscard]] std::optional<std::size_t> find_pool(std::string_view name) const;
  [[nodiscard]] std::size_t pool_of(const HostPort& backend, std::size_t own) const;

  const config::Config& config_;
  std::vector<Rule> rules_;
  std::vector<std::size_t> defaults_;  // pool of each source
};

}  // namespace headgate::server
