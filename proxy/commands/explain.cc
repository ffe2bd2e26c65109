#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "admin/api_json.h"
#include "base/log.h"
#include "base/printable.h"
#include "commands/admin_client.h"
#include "commands/commands.h"
#include "commands/loading.h"
#include "server/discovery.h"
#include "server/operations/explanation.h"
#include "server/pools.h"

namespace headgate::commands {
namespace {

using nlohmann::json;
using Answer = std::expected<json, std::string>;

void print_text(const json& answer) {
  const auto text = [&](const char* name) {
    return printable(answer.at(name).get_ref<const std::string&>());
  };
  fmt::print("user {}", text("user"));
  if (answer.at("backend_user") != answer.at("user")) {
    fmt::print(" as {}", text("backend_user"));
  }
  fmt::print(" ({})\npool {} ({})\nbackend {} ({})\n", text("source"), text("pool"),
             text("pool_reason"), text("backend"), text("backend_reason"));
  const json& candidates = answer.at("candidates");
  for (std::size_t i = 1; i < candidates.size(); ++i) {
    fmt::print("then {}\n", printable(candidates[i].get_ref<const std::string&>()));
  }
  if (answer.at("sessions") != 0) {
    fmt::print("sessions now: {}\n", answer.at("sessions").get<std::uint64_t>());
  }
  if (!answer.at("health_checks").empty() && !text("health_checks").empty()) {
    fmt::print("health checks: {}\n", text("health_checks"));
  }
}

// As a Headgate with this configuration would choose if it started now.
Answer ask_file(const config::Config& config, const std::string& user, const IpAddress& client) {
  // A database's client library may write to a server that has gone.
  std::signal(SIGPIPE, SIG_IGN);
  // What a server would say of backends that it has found is not what was asked.
  log::configure(log::Level::kWarning, config.log.format);
  const auto sources = load_sources(config);
  if (!sources) {
    return std::unexpected("the user sources cannot be asked");
  }
  const server::Routing routing(config);
  const server::Placement placement(config);
  const server::Pools pools =
      server::make_pools(config, server::discover(config, {}, server::Ask::kAll), {});
  const auto explained = server::explain({.config = config,
                                          .sources = *sources,
                                          .routing = routing,
                                          .placement = placement,
                                          .pools = pools},
                                         user, client);
  return explained ? Answer(admin::to_json(*explained))
                   : Answer(std::unexpected(explained.error()));
}

// As the running Headgate chooses now.
Answer ask_server(const std::string& config_file, const std::string& user,
                  const std::string& client) {
  const auto server = AdminClient::open({.config_file = config_file, .url = {}, .token_file = {}});
  return server ? server->get(fmt::format("explain?user={}&client={}", url_encoded(user),
                                          url_encoded(client)))
                : Answer(std::unexpected(server.error()));
}

}  // namespace

int explain(const ExplainOptions& options) {
  const auto address = IpAddress::parse(options.client);
  if (!address) {
    fmt::print(stderr, "--client: expected {}\n", address.error());
    return kUsage;
  }
  Answer answer;
  if (options.running) {
    answer = ask_server(options.config_file, options.user, options.client);
  } else {
    const auto config = load_config(options.config_file);
    if (!config) {
      return kFailure;
    }
    answer = ask_file(*config, options.user, *address);
  }
  if (!answer) {
    fmt::print(stderr, "{}: {}\n", printable(options.user), answer.error());
    return kFailure;
  }
  if (options.json) {
    fmt::print("{}\n", answer->dump(-1, ' ', false, json::error_handler_t::replace));
  } else {
    print_text(*answer);
  }
  return kSuccess;
}

}  // namespace headgate::commands
