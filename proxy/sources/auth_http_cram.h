#pragma once

#include <expected>

#include "auth/user_source.h"
#include "sources/auth_http_protocol.h"

namespace headgate::sources {

// CRAM-MD5 (RFC 2195) in nginx's way: the challenge is made here, and it and the client's answer go
// to the service, which judges them.
//
// The proof in this round of the exchange; else the answer to the round, which asks nobody: the
// challenge, or why there can be no proof.
std::expected<CramProof, auth::LookupResult> cram_proof(const auth::LoginRequest& request);

}  // namespace headgate::sources
