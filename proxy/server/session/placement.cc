#include "server/session/placement.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/ascii.h"
#include "base/printable.h"
#include "config/pattern.h"

namespace headgate::server {
namespace {

balance::HashInput hash_input(config::HashInput input) {
  switch (input) {
    case config::HashInput::kUser:
      break;
    case config::HashInput::kWithoutDetail:
      return balance::HashInput::kWithoutDetail;
    case config::HashInput::kDomain:
      return balance::HashInput::kDomain;
  }
  return balance::HashInput::kUser;
}

}  // namespace

bool in_domain(std::string_view user, std::string_view domain) {
  const std::size_t at = user.rfind('@');
  return at != user.npos && std::ranges::equal(user.substr(at + 1), domain, {}, to_lower);
}

Placement::Placement(const config::Config& config) : config_(config) {
  for (const config::Pool& pool : config.pools) {
    std::vector<Rule>& rules = rules_.emplace_back();
    for (const config::Pin& pin : pool.pins) {
      Rule& rule = rules.emplace_back();
      if (!pin.user.empty()) {
        rule.user = balance::user_key(pin.user);
      } else if (!pin.domain.empty()) {
        rule.domain = pin.domain;
      } else {
        // Checked when the configuration was read.
        rule.regex = config::compile_pattern(pin.pattern).value();
      }
    }
  }
}

std::optional<std::size_t> Placement::find_pin(std::size_t pool, std::string_view user) const {
  const std::vector<Rule>& rules = rules_[pool];
  if (rules.empty()) {
    return std::nullopt;
  }
  const std::uint64_t key = balance::user_key(user);
  const auto found = std::ranges::find_if(rules, [&](const Rule& rule) {
    if (rule.regex) {
      return std::regex_match(user.begin(), user.end(), *rule.regex);
    }
    return rule.domain.empty() ? rule.user == key : in_domain(user, rule.domain);
  });
  if (found == rules.end()) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(found - rules.begin());
}

// Where an operator has pinned the user, if that backend is there.
std::optional<std::uint32_t> Placement::find_ordered(std::size_t pool,
                                                     const balance::BackendSet& set,
                                                     std::string_view user) const {
  if (set.pins == nullptr) {
    return std::nullopt;
  }
  const auto pin = set.pins->find(identity(pool, user));
  if (pin == set.pins->end()) {
    return std::nullopt;
  }
  const auto found = std::ranges::find(set.slots, pin->second, &balance::Slot::hash);
  return found == set.slots.end()
             ? std::nullopt
             : std::optional(static_cast<std::uint32_t>(found - set.slots.begin()));
}

Placement::Choice Placement::choose(std::size_t pool, const balance::BackendSet& set,
                                    std::string_view user, const balance::Request& request) const {
  if (const auto ordered = find_ordered(pool, set, user)) {
    return {.backend = ordered, .only = true, .pin = std::nullopt};
  }
  if (const auto at = find_pin(pool, user)) {
    const config::Pin& pin = config_.pools[pool].pins[*at];
    const auto found = std::ranges::find(set.backends, pin.backend, &balance::Backend::address);
    if (found != set.backends.end() &&
        (!pin.fallback ||
         (found->service == balance::Service::kIn && balance::is_up(*found, request.now_ms)))) {
      return {static_cast<std::uint32_t>(found - set.backends.begin()), !pin.fallback, at};
    }
  }
  return {.backend = balance::choose(set, request), .only = false, .pin = std::nullopt};
}

balance::Request Placement::request(std::size_t pool, const balance::BackendSet& set,
                                    std::string_view user, const IpAddress& client,
                                    std::uint64_t random, std::int64_t now_ms) const {
  balance::Request request{
      .user = balance::user_key(user, hash_input(config_.pools[pool].hash)),
      .source = balance::source_key(client),
      .random = random,
      .turn = 0,
      .now_ms = now_ms,
  };
  if (set.policy == balance::Policy::kRoundRobin && set.turns) {
    request.turn = set.turns->fetch_add(1, std::memory_order_relaxed);
  }
  return request;
}

std::uint64_t Placement::identity(std::size_t pool, std::string_view user) const {
  const config::Pool& configured = config_.pools[pool];
  const bool without_detail = configured.hash == config::HashInput::kWithoutDetail;
  return balance::user_key(configured.name) ^
         balance::user_key(
             user, without_detail ? balance::HashInput::kWithoutDetail : balance::HashInput::kUser);
}

std::string Placement::explain(std::size_t pool, const balance::BackendSet& set,
                               const balance::Request& request, const Choice& choice) const {
  if (!choice.pin && choice.only) {
    return "an operator has pinned the user; there is no other choice";
  }
  if (!choice.pin) {
    return balance::explain(set, request, choice.backend.value());
  }
  const config::Pin& pin = config_.pools[pool].pins[*choice.pin];
  std::string what = "user " + pin.user;
  if (pin.user.empty()) {
    what = pin.domain.empty() ? "pattern " + pin.pattern : "domain " + pin.domain;
  }
  return fmt::format(
      "pools.{}.pins[{}]: {}; {}", config_.pools[pool].name, *choice.pin, printable(what),
      pin.fallback ? "the policy decides while it is down" : "there is no other choice");
}

}  // namespace headgate::server
