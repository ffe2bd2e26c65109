#include "commands/loading.h"

#include <fmt/format.h>

#include <cstdio>
#include <vector>

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

std::optional<auth::SharedSources> load_sources(const config::Config& config) {
  std::vector<auth::SourceOptions> options;
  for (const config::UserSource& source : config.users) {
    options.push_back({source.kind == config::SourceKind::kPasswdFile
                           ? auth::SourceKind::kPasswdFile
                           : auth::SourceKind::kBackend,
                       source.path});
  }
  auto loaded = auth::SharedSources::load(options);
  if (!loaded) {
    for (const std::string& error : loaded.error()) {
      fmt::print(stderr, "{}\n", error);
    }
    return std::nullopt;
  }
  return std::move(*loaded);
}

}  // namespace headgate::commands
