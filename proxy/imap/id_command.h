#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "dialogue/backend_dialogue.h"
#include "dialogue/client_dialogue.h"
#include "imap/arguments.h"

namespace headgate::imap {

// RFC 2971 section 3.3.
inline constexpr std::size_t kMaxIdFields = 30;
inline constexpr std::size_t kMaxIdKey = 30;
inline constexpr std::size_t kMaxIdValue = 1024;
// Tag, command, and that many pairs quoted with a few escapes.
inline constexpr std::size_t kMaxIdLine = 34 * 1024;

// The arguments of ID from the first space on: NIL or a list of at most 30 pairs. Longer keys and
// values than the RFC allows are bad. Appends to `out`.
Parse parse_id(std::string_view arguments, std::vector<dialogue::IdField>& out);

// How many hops are left to a session whose client sent these fields: x-proxy-ttl where a proxy put
// one, never more than `most`. All a client gains by forging it is to be refused.
unsigned hops_left(const std::vector<dialogue::IdField>& fields, unsigned most);

// The list that tells a backend who the client is, for "ID " in front of it: the client's own
// fields first, then x-session-id, x-originating-ip, … as Dovecot's proxies write them. The
// client's own x-… fields are left out, since a backend would believe them. All values are made fit
// for a quoted string. `client.ttl` must be above 1.
std::string make_id_list(const dialogue::ForwardedClient& client);

}  // namespace headgate::imap
