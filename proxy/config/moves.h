#pragma once

#include "config/type.h"

namespace headgate::config {

// The section `admin.moves`.
Type<Moves> moves_type();

}  // namespace headgate::config
