#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "auth/user_source.h"
#include "base/address.h"

namespace headgate::sources {

// What Dovecot's passdbs say of a user without a password: a question over its master socket. Asks
// within `timeout`, and blocks for it: for `headgate explain`. Unavailable: no answer, or a passdb
// that cannot say without a password.
auth::LookupResult ask_dovecot_master(const SocketAddress& server, std::string_view service,
                                      std::string_view user, std::chrono::milliseconds timeout);

}  // namespace headgate::sources
