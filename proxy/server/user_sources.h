#pragma once

#include <memory>
#include <vector>

#include "config/config.h"
#include "sources/sources.h"

namespace headgate::server {

// What the sources room is told of the configuration's `users:`; `before`: the configuration that
// this one takes the place of, if any.
std::vector<sources::SourceOptions> source_options(const config::Config& config,
                                                   const config::Config* before = nullptr);

// The same of `login.policy`; null: there is none.
std::shared_ptr<const sources::PolicyOptions> policy_options(const config::Config& config);

}  // namespace headgate::server
