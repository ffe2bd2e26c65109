#pragma once

#include "config/type.h"

namespace headgate::config {

// The section `admin`.
Type<Admin> admin_type();

}  // namespace headgate::config
