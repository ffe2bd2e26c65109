#pragma once

#include <openssl/core.h>

namespace headgate::net {

// X25519 keys for a provider's answers to OSSL_OP_KEYMGMT and OSSL_OP_KEYEXCH: the keys and the
// exchange of OpenSSL's own default provider, but for the generation, which is faster here. The
// provider's context is its OSSL_LIB_CTX. null: this OpenSSL has no X25519 that can be used so.
//
// OpenSSL makes a public key by a multiplication on the Edwards curve in portable C, and a shared
// secret by a Montgomery ladder in assembly that takes a quarter of the time on processors with
// ADX. A public key *is* the shared secret with the base point 9 (RFC 7748, section 6.1), so it can
// be made by that ladder (x25519/openssl.h); or, on processors with AVX-512 IFMA, by one of ours
// for eight keys at a time (x25519/batch.h). Private keys are OpenSSL's random bytes, and the
// exchange itself, where a client's key comes in, stays OpenSSL's.
//
// In a profile of full handshakes the generation of this key was 12 % of a login's CPU time and the
// exchange itself 3 %. By the ladder, logins took 0.97 (full) and 0.89 (resumed) of the time
// before, medians of six rounds; by the batch another 0.95 and 0.87, of five.
const OSSL_ALGORITHM* x25519_key_managers();
const OSSL_ALGORITHM* x25519_exchanges();

// How X25519 is called by whatever our provider has for it: the names as OpenSSL's own provider has
// them, the object identifier included.
inline constexpr const char* kX25519Names = "X25519:1.3.101.110";
inline constexpr const char* kX25519Properties = "provider=headgate";

}  // namespace headgate::net
