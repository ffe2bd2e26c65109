#include "commands/operate.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <expected>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/printable.h"
#include "commands/admin_client.h"
#include "commands/commands.h"
#include "commands/moves.h"
#include "commands/operate_parts.h"
#include "commands/operate_text.h"

namespace headgate::commands {
namespace {

using nlohmann::json;

struct Options : OperatorOptions {
  std::map<std::string, std::string> filter;  // by name in the API
  std::size_t limit = 1000;
  std::string user;
  std::string backend;  // "HOST:PORT" or "POOL/HOST:PORT"
  std::string weight;
  unsigned rate = 0;
  bool move = false;
};

constexpr std::size_t kPage = 1000;

// Status and backends together.
Answer ask_status(const AdminClient& client) {
  auto status = client.get("status");
  const auto backends = status ? client.get("backends") : status;
  if (!backends) {
    return backends;
  }
  (*status)["backends"] = backends->at("backends");
  return status;
}

// Page after page, until there are as many as wanted.
Answer ask_sessions(const AdminClient& client, const Options& options) {
  std::string filter;
  for (const auto& [name, value] : options.filter) {
    filter += value.empty() ? "" : fmt::format("&{}={}", name, url_encoded(value));
  }
  json sessions = json::array();
  json next = "";
  while (!next.is_null() && sessions.size() < options.limit) {
    const std::string cursor = next.get<std::string>();
    const auto page = client.get(fmt::format("sessions?limit={}{}{}{}",
                                             std::min(options.limit - sessions.size(), kPage),
                                             filter, cursor.empty() ? "" : "&cursor=", cursor));
    if (!page) {
      return page;
    }
    for (const json& session : page->at("sessions")) {
      sessions.push_back(session);
    }
    next = page->at("next");
  }
  return json{{"sessions", std::move(sessions)}, {"more", !next.is_null()}};
}

// All pages.
Answer ask_pins(const AdminClient& client) {
  json pins = json::array();
  std::string cursor;
  for (;;) {
    const auto page = client.get(fmt::format("pins?limit={}{}", kPage, cursor));
    if (!page) {
      return page;
    }
    for (const json& pin : page->at("pins")) {
      pins.push_back(pin);
    }
    if (page->at("next").is_null()) {
      return json{{"pins", std::move(pins)}};
    }
    cursor = "&cursor=" + url_encoded(page->at("next").get<std::string>());
  }
}

Answer kick(const AdminClient& client, const Options& options) {
  json body = json::object();
  for (const auto& [name, value] : options.filter) {
    if (!value.empty()) {
      body[name] = value;
    }
  }
  return client.post("kick", body);
}

Answer pin(const AdminClient& client, const Options& options) {
  auto body = place_of(client, options.backend);
  if (!body) {
    return body;
  }
  (*body)["user"] = options.user;
  return client.post("pin", *body);
}

Answer change(const AdminClient& client, const Options& options, std::string_view what) {
  const auto place = place_of(client, options.backend);
  if (!place) {
    return place;
  }
  json body = json::object();
  if (options.move) {
    body["move"] = true;
  }
  if (options.rate != 0) {
    body["rate"] = options.rate;
  }
  if (what == "weight") {
    body["weight"] =
        options.weight == "default" ? json() : json::parse(options.weight, nullptr, false);
    if (body["weight"].is_discarded()) {
      return std::unexpected(std::string("weight: expected a whole number, or default"));
    }
  }
  return client.post(fmt::format("backends/{}/{}/{}", url_encoded(place->at("pool")),
                                 url_encoded(place->at("backend")), what),
                     body);
}

void add_filter(CLI::App* command, Options& options) {
  const auto add = [&](const std::string& name, const char* help, const char* type) {
    command->add_option("--" + name, options.filter[name], help)->type_name(type);
  };
  add("user", "Sessions of this user", "USER");
  add("pattern", "Users whose whole name is like this; * any text, ? one character", "PATTERN");
  add("client", "Clients with this address, or in this network", "ADDRESS");
  add("backend", "Sessions at this backend", "HOST:PORT");
  add("pool", "Sessions of this pool", "POOL");
  add("listener", "Sessions by this listener", "LISTENER");
  add("phase", "Sessions in this phase; relay is logged in", "PHASE");
  add("state", "Sessions in this state, as the list shows it", "STATE");
  add("session", "The session of this id, as in log lines", "ID");
}

// Runs `ask` when the command is typed.
void on(CLI::App* command, const std::shared_ptr<Options>& options, std::function<int()>& run,
        std::function<Answer(const AdminClient&, const Options&)> ask,
        std::string (*text)(const json&)) {
  when_typed(
      command, options, run,
      [options, ask = std::move(ask)](const AdminClient& client) { return ask(client, *options); },
      text);
}

void add_backend(CLI::App* command, Options& options) {
  command
      ->add_option("BACKEND", options.backend,
                   "HOST:PORT as in the configuration, with POOL/ before it where several have it")
      ->required();
}

void add_change(CLI::App& app, std::function<int()>& run, const std::string& name,
                const char* help) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = add_command(app, name, help, options);
  add_backend(command, *options);
  if (name == "drain") {
    command->add_flag("--move", options->move, "End its sessions too, so that users move at once");
  }
  if (name == "drain" || name == "disable") {
    command
        ->add_option("--rate", options->rate,
                     "Sessions a second that are ended; else admin.move_rate")
        ->check(CLI::Range(1, 100'000));
  }
  if (name == "weight") {
    command
        ->add_option("WEIGHT", options->weight,
                     "A whole number; default: what the configuration says")
        ->required();
  }
  on(
      command, options, run,
      [name](const AdminClient& client, const Options& given) {
        return change(client, given, name);
      },
      changed_text);
}

void add_pin(CLI::App& app, std::function<int()>& run) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(app, "pin", "Keep a user's further sessions at one backend", options);
  command->add_option("USER", options->user, "The name for the backend")->required();
  add_backend(command, *options);
  on(command, options, run, pin, pinned_text);
}

}  // namespace

void add_operator_commands(CLI::App& app, std::function<int()>& run) {
  const auto make = [] { return std::make_shared<Options>(); };
  auto options = make();
  on(
      add_command(app, "status", "Show how a running Headgate does, and its backends", options),
      options, run, [](const AdminClient& client, const Options&) { return ask_status(client); },
      status_text);

  options = make();
  on(
      add_command(app, "pools", "Show the pools of a running Headgate and how their load is shared",
                  options),
      options, run, [](const AdminClient& client, const Options&) { return client.get("pools"); },
      pools_text);

  options = make();
  CLI::App* command =
      add_command(app, "sessions", "List the sessions of a running Headgate", options);
  add_filter(command, *options);
  command->add_option("--limit", options->limit, "At most so many")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  on(command, options, run, ask_sessions, sessions_text);

  options = make();
  command = add_command(app, "who", "Show the sessions of a user", options);
  command->add_option("USER", options->user, "The name the user logs in with")->required();
  on(
      command, options, run,
      [](const AdminClient& client, const Options& given) {
        return client.get("who?user=" + url_encoded(given.user));
      },
      sessions_text);

  options = make();
  command = add_command(app, "kick", "End sessions: all that the options say together", options);
  add_filter(command, *options);
  on(command, options, run, kick, kicked_text);

  options = make();
  command = add_command(app, "unpin", "Let a user go by the configuration again", options);
  command->add_option("USER", options->user, "The name for the backend")->required();
  on(
      command, options, run,
      [](const AdminClient& client, const Options& given) {
        return client.post("unpin", {{"user", given.user}});
      },
      unpinned_text);
  on(
      add_command(app, "pins", "List the users that operators have pinned", options = make()),
      options, run, [](const AdminClient& client, const Options&) { return ask_pins(client); },
      pins_text);
  add_pin(app, run);
  add_move_commands(app, run);

  on(
      add_command(app, "reload", "Read the configuration again and put it in force",
                  options = make()),
      options, run,
      [](const AdminClient& client, const Options&) {
        return client.post("reload", json::object());
      },
      reloaded_text);

  add_change(app, run, "drain", "Give a backend no new users; those with sessions stay");
  add_change(app, run, "disable", "Take a backend out: no logins, and its sessions are ended");
  add_change(app, run, "enable", "Take a backend back in");
  add_change(app, run, "weight", "Give a backend another weight");
}

}  // namespace headgate::commands
