#pragma once

#include <cstdint>
#include <optional>

#include "balance/backend_set.h"
#include "balance/policy.h"
#include "balance/user_table.h"
#include "server/session/placement.h"

namespace headgate::server {

// The backend of this key (balance::Backend::hash), as its index in the set.
std::optional<std::uint32_t> index_of(const balance::BackendSet& set, std::uint64_t backend);

// Where a user's next session goes: a user with sessions at `place` stays there or goes back home,
// one without (nullptr) goes where the choice says.
std::optional<balance::UserTable::Decision> decide_place(const balance::BackendSet& set,
                                                         const balance::UserTable::Place* place,
                                                         const Placement::Choice& choice,
                                                         const balance::Request& request,
                                                         bool home_at_once);

}  // namespace headgate::server
