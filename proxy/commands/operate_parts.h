#pragma once

#include <CLI/CLI.hpp>
#include <expected>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "commands/admin_client.h"

// What all commands have that ask a running Headgate.
namespace headgate::commands {

using Answer = std::expected<nlohmann::json, std::string>;

struct OperatorOptions {
  AdminPlace place;
  bool as_json = false;
};

// A subcommand with the options that say where to ask, and how to print.
CLI::App* add_command(CLI::App& app, std::string name, std::string help,
                      const std::shared_ptr<OperatorOptions>& options);

// Asks when the command is typed, and prints what `text` makes of the answer.
void when_typed(CLI::App* command, const std::shared_ptr<OperatorOptions>& options,
                std::function<int()>& run, std::function<Answer(const AdminClient&)> ask,
                std::string (*text)(const nlohmann::json&));

// Pool and backend that the command line names ("HOST:PORT" or "POOL/HOST:PORT"), as members `pool`
// and `backend` of a request.
Answer place_of(const AdminClient& client, const std::string& named);

}  // namespace headgate::commands
