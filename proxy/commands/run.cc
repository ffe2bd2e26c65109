#include "server/run.h"

#include "commands/commands.h"
#include "commands/loading.h"

namespace headgate::commands {

int run(const std::string& config_file) {
  auto config = load_config(config_file);
  return config ? server::run(std::move(*config)) : kFailure;
}

}  // namespace headgate::commands
