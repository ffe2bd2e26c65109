#pragma once

#include <openssl/core.h>

namespace headgate::net {

// An OpenSSL provider (provider(7)) with what is slow in OpenSSL's own: the key schedule of TLS 1.3
// (tls13_kdf.h), and X25519 keys whose generation is faster.
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
extern "C" int x25519_provider_init(const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH* in,
                                    const OSSL_DISPATCH** out, void** context);

// Whether generation by the ladder is faster on this processor and with this OpenSSL; measured in
// about a millisecond. False also when it does not work at all.
bool x25519_ladder_is_faster();

}  // namespace headgate::net
