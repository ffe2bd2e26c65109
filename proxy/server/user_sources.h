#pragma once

#include <vector>

#include "auth/sources.h"
#include "config/config.h"

namespace headgate::server {

// What the auth room is told of the configuration's `users:`; `before`: the configuration that this
// one takes the place of, if any.
std::vector<auth::SourceOptions> source_options(const config::Config& config,
                                                const config::Config* before = nullptr);

}  // namespace headgate::server
