#pragma once

#include <vector>

#include "auth/sources.h"
#include "config/config.h"

namespace headgate::server {

// What the auth room is told of the configuration's `users:`.
std::vector<auth::SourceOptions> source_options(const config::Config& config);

}  // namespace headgate::server
