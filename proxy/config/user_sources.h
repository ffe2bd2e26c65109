#pragma once

#include "config/config.h"
#include "config/type.h"

// The sections of a user source.
namespace headgate::config {

Type<Breaker> breaker_type();
Type<Cache> cache_type();
Type<Sql> sql_type();
Type<Ldap> ldap_type();
Type<MapRule> map_rule_type();

}  // namespace headgate::config
