#pragma once

#include "config/config.h"

namespace headgate::server {

// Serves by this configuration until SIGTERM or SIGINT; stays in the foreground and logs to
// standard error. Returns the process's exit code: 0 after an orderly stop, 1 when it could not
// start.
int run(config::Config config);

}  // namespace headgate::server
