#pragma once

#include <openssl/core.h>

namespace headgate::net {

// The name of the group, its keys and its exchange throughout OpenSSL.
inline constexpr const char* kX25519 = "X25519";

// X25519 keys for a provider's answers to OSSL_OP_KEYMGMT and OSSL_OP_KEYEXCH: the keys and the
// exchange of OpenSSL's own default provider, but for the generation, which is faster here. The
// provider's context is its OSSL_LIB_CTX. null: this OpenSSL has no X25519 that can be used so.
//
// OpenSSL makes a public key by a multiplication on the Edwards curve in portable C, and a shared
// secret by a Montgomery ladder in assembly that takes a quarter of the time on processors with
// ADX. A public key *is* the shared secret with the base point 9 (RFC 7748, section 6.1), so this
// makes it by OpenSSL's own ladder. No arithmetic is done here: keys are 32 random bytes, and all
// arithmetic, and the key exchange itself, stays OpenSSL's.
//
// In a profile of full handshakes the generation of this key was 12 % of a login's CPU time and the
// exchange itself 3 %; with this, logins took 0.97 (full) and 0.89 (resumed) of the time before,
// medians of six rounds.
const OSSL_ALGORITHM* x25519_key_managers();
const OSSL_ALGORITHM* x25519_exchanges();

// Whether generation by the ladder is faster on this processor and with this OpenSSL; measured in
// about a millisecond. False also when it does not work at all.
bool x25519_ladder_is_faster();

}  // namespace headgate::net
