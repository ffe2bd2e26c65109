#pragma once

#include <openssl/core.h>

namespace headgate::net {

// HMAC (RFC 2104) for a provider's answer to OSSL_OP_MAC, as EVP_MAC-HMAC(7) describes it. null:
// this OpenSSL's own cannot be used as it must be here.
//
// TLS 1.3 makes three of a handshake: of the two Finished (RFC 8446, section 4.4.4) and of the
// ticket. OpenSSL's own looks the hash up by name for each and makes and copies three contexts of
// it. This one keeps key and message where they are short and the hash is one of TLS 1.3, and
// computes at the end (tls13_hash.h); whatever else it is asked for it leaves to OpenSSL's.
const OSSL_ALGORITHM* tls_hmac();

}  // namespace headgate::net
