#pragma once

#include "config/config.h"
#include "config/type.h"

// The section `health` of a pool.
namespace headgate::config {

Type<Health> health_type();
// What it needs of the rest of the pool.
void check_health(Reader& reader, const Pool& pool);

}  // namespace headgate::config
