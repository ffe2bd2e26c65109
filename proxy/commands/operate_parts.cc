#include "commands/operate_parts.h"

#include <fmt/format.h>

#include <cstdio>
#include <utility>
#include <vector>

#include "base/printable.h"
#include "commands/commands.h"

namespace headgate::commands {
namespace {

using nlohmann::json;

int report(const Answer& answer, bool as_json, std::string (*text)(const json&)) {
  if (!answer) {
    fmt::print(stderr, "{}\n", answer.error());
    return kFailure;
  }
  const std::string out =
      as_json ? answer->dump(2, ' ', false, json::error_handler_t::replace) + "\n" : text(*answer);
  std::fwrite(out.data(), 1, out.size(), stdout);
  return kSuccess;
}

// The one pool that has a backend of this address.
std::expected<std::string, std::string> find_pool(const AdminClient& client,
                                                  const std::string& address) {
  const auto backends = client.get("backends");
  if (!backends) {
    return std::unexpected(backends.error());
  }
  std::vector<std::string> pools;
  for (const json& backend : backends->at("backends")) {
    if (backend.at("backend") == address) {
      pools.push_back(backend.at("pool").get<std::string>());
    }
  }
  if (pools.empty()) {
    return std::unexpected(fmt::format("no pool has a backend {}", printable(address)));
  }
  if (pools.size() > 1) {
    return std::unexpected(fmt::format("several pools have {0}; say which: {1}/{0}",
                                       printable(address), printable(pools.front())));
  }
  return pools.front();
}

}  // namespace

CLI::App* add_command(CLI::App& app, std::string name, std::string help,
                      const std::shared_ptr<OperatorOptions>& options) {
  CLI::App* command = app.add_subcommand(std::move(name), std::move(help));
  auto* config = command->add_option("-c,--config", options->place.config_file,
                                     "The configuration file of the running Headgate");
  auto* admin = command->add_option("--admin", options->place.url,
                                    "Where it is asked instead: http://HOST:PORT or the path of a "
                                    "Unix socket");
  config->type_name("FILE");
  admin->type_name("URL")->excludes(config);
  command
      ->add_option("--token-file", options->place.token_file,
                   "File whose first line is the token; else one that the configuration names")
      ->type_name("FILE");
  command->add_flag("--json", options->as_json, "Print one JSON object");
  return command;
}

void when_typed(CLI::App* command, const std::shared_ptr<OperatorOptions>& options,
                std::function<int()>& run, std::function<Answer(const AdminClient&)> ask,
                std::string (*text)(const json&)) {
  command->final_callback([=, &run] {
    run = [=] {
      if (options->place.config_file.empty() && options->place.url.empty()) {
        fmt::print(stderr, "expected --config FILE or --admin URL\n");
        return kUsage;
      }
      try {
        const auto client = AdminClient::open(options->place);
        return report(client ? ask(*client) : Answer(std::unexpected(client.error())),
                      options->as_json, text);
      } catch (const json::exception&) {
        fmt::print(stderr, "what answers there is no Headgate of this version\n");
        return kFailure;
      }
    };
  });
}

Answer place_of(const AdminClient& client, const std::string& named) {
  const std::size_t slash = named.find('/');
  if (slash != named.npos) {
    return json{{"pool", named.substr(0, slash)}, {"backend", named.substr(slash + 1)}};
  }
  const auto pool = find_pool(client, named);
  if (!pool) {
    return std::unexpected(pool.error());
  }
  return json{{"pool", *pool}, {"backend", named}};
}

}  // namespace headgate::commands
