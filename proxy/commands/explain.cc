#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "balance/policy.h"
#include "base/printable.h"
#include "commands/commands.h"
#include "commands/loading.h"
#include "config/scalars.h"
#include "dialogue/failure.h"
#include "server/health_words.h"
#include "server/placement.h"
#include "server/pools.h"
#include "server/routing.h"

namespace headgate::commands {
namespace {

struct Answer {
  std::string user;
  std::string backend_user;  // name that the backend login uses
  std::string source;
  std::string pool;
  std::string pool_reason;
  std::string backend_reason;
  std::vector<std::string> candidates;  // best first
  std::string health;                   // what the pool's checks do; empty: there are none
};

std::string source_name(const config::Config& config, std::size_t index) {
  const config::UserSource& source = config.users[index];
  return fmt::format("users[{}], source {}{}{}", index, config::name(source.kind),
                     source.path.empty() ? "" : " ", source.path);
}

// What the sources say; the error is for the person who asks.
std::expected<auth::Route, std::string> ask_sources(const config::Config& config,
                                                    const auth::SharedSources& sources,
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

// Which backend of the pool, and which ones after it: as the server would choose if it started now
// and had no sessions yet.
std::expected<Answer, std::string> find_backend(const config::Config& config, std::size_t pool,
                                                const IpAddress& client, Answer answer) {
  const auto set = server::make_pools(config, {})[pool];
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
                       std::chrono::steady_clock::now().time_since_epoch())
                       .count();
  const server::Placement placement(config);
  const balance::Request request =
      placement.request(pool, *set, answer.backend_user, client, std::random_device{}(), now);
  const auto choice = placement.choose(pool, *set, answer.backend_user, request);
  if (!choice.backend) {
    return std::unexpected(
        fmt::format("no login: no backend of pool {} has a weight", answer.pool));
  }
  answer.candidates.push_back(set->backends[*choice.backend].address.to_string());
  answer.backend_reason = placement.explain(pool, *set, request, choice);
  if (!choice.only) {
    for (const std::uint32_t index : balance::order(*set, request).order) {
      if (index != *choice.backend) {
        answer.candidates.push_back(set->backends[index].address.to_string());
      }
    }
  }
  return answer;
}

std::expected<Answer, std::string> find_answer(const config::Config& config,
                                               const auth::SharedSources& sources,
                                               const std::string& user, const IpAddress& client) {
  std::size_t source = 0;
  const auto route = ask_sources(config, sources, user, source);
  if (!route) {
    return std::unexpected(route.error());
  }
  const server::Routing routing(config);
  const auto routed = routing.route(user, *route, source);
  if (!routed) {
    return std::unexpected("no login: " + routed.error());
  }
  Answer answer{user,
                route->user,
                source_name(config, source),
                config.pools[routed->pool].name,
                routing.explain(*routed),
                "",
                {},
                server::health_in_words(config.pools[routed->pool])};
  if (routed->backend) {
    answer.candidates.push_back(routed->backend->to_string());
    answer.backend_reason = "the user source names it; there is no other choice";
    return answer;
  }
  return find_backend(config, routed->pool, client, std::move(answer));
}

void print_text(const Answer& answer) {
  fmt::print("user {}", printable(answer.user));
  if (answer.backend_user != answer.user) {
    fmt::print(" as {}", printable(answer.backend_user));
  }
  fmt::print(" ({})\npool {} ({})\nbackend {} ({})\n", answer.source, answer.pool,
             answer.pool_reason, answer.candidates.front(), answer.backend_reason);
  for (std::size_t i = 1; i < answer.candidates.size(); ++i) {
    fmt::print("then {}\n", answer.candidates[i]);
  }
  if (!answer.health.empty()) {
    fmt::print("health checks: {}\n", answer.health);
  }
}

void print_json(const Answer& answer) {
  const auto field = [](std::string_view name, std::string_view value) {
    fmt::print("{}: {}, ", config::json_text(name), config::json_text(value));
  };
  fmt::print("{{");
  field("user", answer.user);
  field("backend_user", answer.backend_user);
  field("source", answer.source);
  field("pool", answer.pool);
  field("pool_reason", answer.pool_reason);
  field("backend", answer.candidates.front());
  field("backend_reason", answer.backend_reason);
  if (!answer.health.empty()) {
    field("health_checks", answer.health);
  }
  fmt::print("\"candidates\": [");
  for (std::size_t i = 0; i < answer.candidates.size(); ++i) {
    fmt::print("{}{}", i == 0 ? "" : ", ", config::json_text(answer.candidates[i]));
  }
  fmt::print("]}}\n");
}

}  // namespace

int explain(const std::string& config_file, const std::string& user, const std::string& client,
            bool json) {
  const auto address = IpAddress::parse(client);
  if (!address) {
    fmt::print(stderr, "--client: expected {}\n", address.error());
    return kUsage;
  }
  // A database's client library may write to a server that has gone.
  std::signal(SIGPIPE, SIG_IGN);
  const auto config = load_config(config_file);
  const auto sources = config ? load_sources(*config) : std::nullopt;
  if (!sources) {
    return kFailure;
  }
  const auto answer = find_answer(*config, *sources, user, *address);
  if (!answer) {
    fmt::print(stderr, "{}: {}\n", printable(user), answer.error());
    return kFailure;
  }
  if (json) {
    print_json(*answer);
  } else {
    print_text(*answer);
  }
  return kSuccess;
}

}  // namespace headgate::commands
