#pragma once

#include <openssl/types.h>

namespace headgate::net {

// The OpenSSL library context that all TLS of this process runs in, made on the first call; nullptr
// when there is no memory for it. Beside OpenSSL's default provider, and whatever openssl.cnf
// activates, it has x25519_provider.h where that is faster. A context of its own, so that other
// libraries in the process see nothing of this.
OSSL_LIB_CTX* crypto_library();

}  // namespace headgate::net
