#pragma once

#include <string>

#include "config/config.h"
#include "config/type.h"

// The section `admission` of a pool.
namespace headgate::config {

Type<Admission> admission_type();
// What it needs of the rest of the pool, which stands at `path`.
void check_admission(Reader& reader, const std::string& path, const Pool& pool);

}  // namespace headgate::config
