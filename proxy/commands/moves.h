#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace headgate::commands {

// `move` and `moves`. Whichever is typed puts into `run` what main() is to call.
void add_move_commands(CLI::App& app, std::function<int()>& run);

// What they print.
std::string moved_text(const nlohmann::json& answer);
std::string moves_text(const nlohmann::json& answer);

}  // namespace headgate::commands
