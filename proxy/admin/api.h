#pragma once

#include <vector>

#include "admin/access.h"
#include "admin/control.h"
#include "admin/server.h"

namespace headgate::admin {

// The JSON API, version 1; docs/openapi.yaml describes it. Every change stands in the log with the
// name of the token and the caller's address. `control` and what `access` refers to outlive the
// routes.
std::vector<Route> api_routes(Control& control, const Access& access);

}  // namespace headgate::admin
