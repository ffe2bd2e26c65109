#pragma once

#include "config/type.h"

namespace headgate::config {

// The section `login.policy`.
Type<PolicyServer> policy_type();

}  // namespace headgate::config
