#pragma once

#include "config/config.h"
#include "config/type.h"

// The sections `login` and `limits`: what clients may do before they are logged in, and sessions
// after it.
namespace headgate::config {

// A limit on sessions is nowhere above this.
inline constexpr unsigned kMostSessions = 10'000'000;

Type<Login> login_type();
Type<Limits> limits_type();

}  // namespace headgate::config
