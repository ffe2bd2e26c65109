#include "server/operations/explanation.h"

#include <fmt/format.h>

#include <chrono>
#include <random>
#include <utility>
#include <variant>

#include "balance/policy.h"
#include "dialogue/failure.h"
#include "server/health/health_words.h"
#include "server/session/user_place.h"

namespace headgate::server {
namespace {

using admin::ExplanationView;
using balance::UserTable;
using Explanation = std::expected<ExplanationView, std::string>;

std::string source_name(const config::Config& config, std::size_t index) {
  const config::UserSource& source = config.users[index];
  return fmt::format("users[{}], source {}{}{}", index, config::name(source.kind),
                     source.path.empty() ? "" : " ", source.path);
}

// What the sources say; the error is for the person who asks.
std::expected<auth::Route, std::string> ask_sources(const config::Config& config,
                                                    const sources::SharedSources& sources,
                                                    const std::string& user, std::size_t& source) {
  auth::ChainResult answer = sources.explain(user);
  source = answer.source;
  if (auto* accepted = std::get_if<auth::Accepted>(&answer.result)) {
    return std::move(accepted->route);
  }
  if (const auto* rejected = std::get_if<auth::Rejected>(&answer.result)) {
    return std::unexpected(fmt::format("no login: {} refuses the user or none knows it ({})",
                                       source_name(config, source),
                                       dialogue::info(rejected->failure).name));
  }
  if (const auto* unavailable = std::get_if<auth::Unavailable>(&answer.result)) {
    return std::unexpected(fmt::format("no login: {} is not available: {}",
                                       source_name(config, source), unavailable->why));
  }
  return std::unexpected(std::string("no login: no source knows the user"));
}

std::int64_t steady_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// The backends that come after `first`, best first.
void add_the_others(const balance::BackendSet& set, const balance::Request& request,
                    std::uint32_t first, ExplanationView& view) {
  for (const std::uint32_t index : balance::order(set, request).order) {
    if (index != first) {
      view.candidates.push_back(set.backends[index].address.to_string());
    }
  }
}

// Which backend of the pool, and which ones after it.
Explanation find_backend(const LoginRules& rules, std::size_t pool, const IpAddress& client,
                         ExplanationView view) {
  const balance::BackendSet& set = *rules.pools[pool];
  const Placement& placement = rules.placement;
  const balance::Request request =
      placement.request(pool, set, view.backend_user, client, std::random_device{}(), steady_ms());
  const auto choice = placement.choose(pool, set, view.backend_user, request);
  const auto place = rules.users == nullptr
                         ? std::nullopt
                         : rules.users->find(placement.identity(pool, view.backend_user));
  const bool home_at_once = rules.config.pools[pool].failback == config::Failback::kAtOnce;
  const auto decision = decide_place(set, place ? &*place : nullptr, choice, request, home_at_once);
  const auto first = decision ? index_of(set, decision->backend) : std::nullopt;
  if (!first) {
    return std::unexpected(
        fmt::format("no login: no backend of pool {} takes this user now", view.pool));
  }
  if (place) {
    view.sessions = place->established;
  }
  view.candidates.push_back(set.backends[*first].address.to_string());
  if (choice.backend == first) {
    view.backend_reason = placement.explain(pool, set, request, choice);
  } else if (place && place->backend == decision->backend) {
    view.backend_reason = "the user's other sessions are there";
  } else {
    view.backend_reason = "the user's sessions go back home";
  }
  if (!choice.only) {
    add_the_others(set, request, *first, view);
  }
  return view;
}

}  // namespace

Explanation explain(const LoginRules& rules, const std::string& user, const IpAddress& client) {
  std::size_t source = 0;
  const auto route = ask_sources(rules.config, rules.sources, user, source);
  if (!route) {
    return std::unexpected(route.error());
  }
  const auto routed = rules.routing.route(user, *route, source);
  if (!routed) {
    return std::unexpected("no login: " + routed.error());
  }
  const config::Pool& pool = rules.config.pools[routed->pool];
  ExplanationView view{.user = user,
                       .backend_user = route->user,
                       .source = source_name(rules.config, source),
                       .pool = pool.name,
                       .pool_reason = rules.routing.explain(*routed) +
                                      (pool.srv ? "; backends by SRV " + pool.srv->name : ""),
                       .backend_reason = {},
                       .candidates = {},
                       .health = health_in_words(pool)};
  if (routed->backend) {
    view.candidates.push_back(routed->backend->to_string());
    view.backend_reason = "the user source names it; there is no other choice";
    return view;
  }
  return find_backend(rules, routed->pool, client, std::move(view));
}

}  // namespace headgate::server
