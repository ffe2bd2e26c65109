#pragma once

#include <CLI/App.hpp>
#include <functional>

namespace headgate::commands {

// The subcommands that ask a running Headgate: status, sessions, who, kick, drain, disable, enable,
// weight. The one that was typed sets `run`, which does it and returns the exit code.
void add_operator_commands(CLI::App& app, std::function<int()>& run);

}  // namespace headgate::commands
