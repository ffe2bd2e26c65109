#pragma once

#include <optional>
#include <string>

#include "config/config.h"
#include "sources/sources.h"

namespace headgate::commands {

// The configuration; nullopt after all its errors went to standard error.
std::optional<config::Config> load_config(const std::string& file);

// The user sources of a configuration; nullopt after their errors went to standard error.
std::optional<sources::SharedSources> load_sources(const config::Config& config);

}  // namespace headgate::commands
