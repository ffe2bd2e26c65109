#include "server/run.h"

#include <csignal>

#include "commands/commands.h"
#include "commands/loading.h"

namespace headgate::commands {

int run(const std::string& config_file) {
  // A reload that is asked for before there is anything to reload waits until there is.
  sigset_t early;
  sigemptyset(&early);
  sigaddset(&early, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &early, nullptr);
  auto config = load_config(config_file);
  return config ? server::run(std::move(*config)) : kFailure;
}

}  // namespace headgate::commands
