#pragma once

#include "config/config.h"
#include "config/type.h"

// The section `srv` of a pool.
namespace headgate::config {

Type<Srv> srv_type();
// What it needs of the rest of the pool, where that has it.
void check_srv(Reader& reader, const Pool& pool);

}  // namespace headgate::config
