#include "server/session/routing.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "auth/pool_memory.h"
#include "base/printable.h"
#include "config/pattern.h"
#include "server/session/placement.h"

namespace headgate::server {
namespace {

// "old, new"
std::string chain_in_words(const config::UserSource& source) {
  return fmt::format("{}, {}", source.pool, fmt::join(source.backend->then, ", "));
}

}  // namespace

Routing::Routing(const config::Config& config) : config_(config) {
  for (const config::Route& route : config.routes) {
    Rule rule{route.domain, std::nullopt, find_pool(route.pool).value_or(0)};
    if (route.domain.empty()) {
      // Checked when the configuration was read.
      rule.regex = config::compile_pattern(route.pattern).value();
    }
    rules_.push_back(std::move(rule));
  }
  for (const config::UserSource& source : config.users) {
    defaults_.push_back(find_pool(source.pool).value_or(0));
  }
}

std::expected<Routed, std::string> Routing::route(std::string_view user, const auth::Route& route,
                                                  std::size_t source) const {
  if (user.size() > kMaxUserName) {
    return std::unexpected(fmt::format("expected a user name of at most {} bytes, found {}",
                                       kMaxUserName, user.size()));
  }
  Routed routed{defaults_[source], route.backend, RoutedBy::kDefault, source};
  if (route.pool) {
    const auto pool = find_pool(*route.pool);
    if (!pool) {
      return std::unexpected(fmt::format("users[{}] names pool '{}', which does not exist", source,
                                         printable(*route.pool)));
    }
    routed.pool = *pool;
    routed.by = RoutedBy::kSourcePool;
  }
  if (route.backend) {
    if (!route.pool) {
      routed.pool = pool_of(*route.backend, routed.pool);
    }
    routed.by = RoutedBy::kSourceBackend;
    return routed;
  }
  if (route.pool) {
    return routed;
  }
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const Rule& rule = rules_[i];
    if (rule.regex ? std::regex_match(user.begin(), user.end(), *rule.regex)
                   : in_domain(user, rule.domain)) {
      return Routed{rule.pool, std::nullopt, RoutedBy::kRoute, i};
    }
  }
  if (route.trial) {
    // All pools of a source are known to exist.
    routed.pool = find_pool(route.trial->pool()).value_or(routed.pool);
    routed.by = route.trial->remembered() ? RoutedBy::kRemembered : RoutedBy::kInTurn;
  }
  return routed;
}

std::string Routing::explain(const Routed& routed) const {
  switch (routed.by) {
    case RoutedBy::kRemembered:
    case RoutedBy::kInTurn:
      return fmt::format(
          "users[{}], source {}, {}; of {}, asked until one takes the password", routed.rule,
          config::name(config_.users[routed.rule].kind),
          routed.by == RoutedBy::kRemembered ? "remembers that the user is there" : "asks it first",
          chain_in_words(config_.users[routed.rule]));
    case RoutedBy::kSourceBackend:
      return fmt::format("users[{}], source {}, names the backend", routed.rule,
                         config::name(config_.users[routed.rule].kind));
    case RoutedBy::kSourcePool:
      return fmt::format("users[{}], source {}, names the pool", routed.rule,
                         config::name(config_.users[routed.rule].kind));
    case RoutedBy::kRoute: {
      const config::Route& route = config_.routes[routed.rule];
      return fmt::format("routes[{}]: {} {}", routed.rule,
                         route.domain.empty() ? "pattern" : "domain",
                         route.domain.empty() ? printable(route.pattern) : route.domain);
    }
    case RoutedBy::kDefault:
      break;
  }
  return fmt::format("pool of users[{}], source {}; no route matches", routed.rule,
                     config::name(config_.users[routed.rule].kind));
}

std::optional<std::size_t> Routing::find_pool(std::string_view name) const {
  const auto found = std::ranges::find(config_.pools, name, &config::Pool::name);
  if (found == config_.pools.end()) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(found - config_.pools.begin());
}

// The pool that has this backend: the source's own, else the first in file order. A backend that is
// in none is the source's to choose, and is reached as those of the source's own pool are.
std::size_t Routing::pool_of(const HostPort& backend, std::size_t own) const {
  const auto has = [&](const config::Pool& pool) {
    return std::ranges::find(pool.backends, backend, &config::Backend::address) !=
           pool.backends.end();
  };
  if (has(config_.pools[own])) {
    return own;
  }
  const auto found = std::ranges::find_if(config_.pools, has);
  return found == config_.pools.end() ? own
                                      : static_cast<std::size_t>(found - config_.pools.begin());
}

}  // namespace headgate::server
