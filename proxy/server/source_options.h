#pragma once

#include <vector>

#include "auth/sources.h"
#include "config/config.h"
#include "metrics/collector.h"

namespace headgate::server {

// What the room of user sources needs to know of a configuration.
std::vector<auth::SourceOptions> source_options(const config::Config& config);

// How the lookup servers of all sources fare; any thread.
std::vector<metrics::LookupServerFigures> figures(const auth::SharedSources& sources);

}  // namespace headgate::server
