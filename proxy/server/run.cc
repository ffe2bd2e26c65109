#include "server/run.h"

#include <string>
#include <utility>

#include "base/log.h"
#include "server/supervisor.h"

namespace headgate::server {

int run(config::Config config) {
  log::configure(config.log.level, config.log.format);
  Supervisor supervisor(std::move(config));
  if (auto started = supervisor.start(); !started) {
    log::error("cannot start", {{"error", started.error()}});
    supervisor.stop();
    return 1;
  }
  supervisor.wait();
  supervisor.stop();
  return 0;
}

}  // namespace headgate::server
