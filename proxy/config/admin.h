#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "config/type.h"

namespace headgate::config {

// The group of this name or number; nullopt: there is none.
std::optional<::gid_t> group_id(const std::string& name);

// The section `admin`.
Type<Admin> admin_type();

}  // namespace headgate::config
