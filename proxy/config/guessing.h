#pragma once

#include "config/config.h"
#include "config/type.h"

// The section `guessing`.
namespace headgate::config {

Type<Guessing> guessing_type();

}  // namespace headgate::config
