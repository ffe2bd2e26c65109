#pragma once

#include <string>

#include "config/config.h"

namespace headgate::server {

// What a pool's health checks do, for people: "level login as probe@example.org every 5s, …"; empty
// without checks.
std::string health_in_words(const config::Pool& pool);

}  // namespace headgate::server
