#include "commands/loading.h"

#include <fmt/format.h>

#include <cstdio>

#include "server/user_sources.h"

namespace headgate::commands {

std::optional<config::Config> load_config(const std::string& file) {
  auto loaded = config::load(file);
  if (!loaded) {
    for (const config::Error& error : loaded.error()) {
      fmt::print(stderr, "{}\n", error.to_string());
    }
    return std::nullopt;
  }
  return std::move(*loaded);
}

std::optional<sources::SharedSources> load_sources(const config::Config& config) {
  auto loaded = sources::SharedSources::load(server::source_options(config));
  if (!loaded) {
    for (const std::string& error : loaded.error()) {
      fmt::print(stderr, "{}\n", error);
    }
    return std::nullopt;
  }
  return std::move(*loaded);
}

}  // namespace headgate::commands
