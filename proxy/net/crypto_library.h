#pragma once

#include <openssl/types.h>

#include "net/x25519/fresh_pairs.h"

namespace headgate::net {

// The OpenSSL library context that all TLS of this process runs in, made on the first call; nullptr
// when there is no memory for it. Beside OpenSSL's default provider, and whatever openssl.cnf
// activates, it has tls_provider.h, unless openssl.cnf demands certified algorithms (fips=yes). A
// context of its own, so that other libraries in the process see nothing of this.
OSSL_LIB_CTX* crypto_library();

// Whether handshakes in it take their keys from tls13_kdf.h.
bool key_schedule_is_ours();

// How fresh X25519 keys are made in it.
X25519Way x25519_way();

}  // namespace headgate::net
