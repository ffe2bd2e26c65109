#pragma once

#include "config/config.h"
#include "config/type.h"

// What one entry of `users:` may hold.
namespace headgate::config {

Type<UserSource> source_type();
Type<Ldap> ldap_type();

}  // namespace headgate::config
