#pragma once

#include <expected>
#include <string>

#include "admin/control.h"
#include "balance/user_table.h"
#include "base/address.h"
#include "config/config.h"
#include "server/session/placement.h"
#include "server/session/routing.h"
#include "server/snapshot.h"
#include "sources/sources.h"

namespace headgate::server {

// What a login goes by.
struct LoginRules {
  const config::Config& config;
  const sources::SharedSources& sources;
  const Routing& routing;
  const Placement& placement;
  const Pools& pools;
  const balance::UserTable* users = nullptr;  // null: nobody has sessions
};

// Which pool and backend a user gets, and why; the error is why there would be no login. Asks the
// user sources, so it blocks. `client` is what the policy source_hash goes by.
std::expected<admin::ExplanationView, std::string> explain(const LoginRules& rules,
                                                           const std::string& user,
                                                           const IpAddress& client);

}  // namespace headgate::server
