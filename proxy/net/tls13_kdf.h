#pragma once

#include <openssl/core.h>

#include <cstddef>
#include <span>
#include <string_view>

namespace headgate::net {

// The key schedule of TLS 1.3 (RFC 8446 section 7.1) for OpenSSL's libssl: a KDF "TLS13-KDF" as
// EVP_KDF-TLS13_KDF(7) describes it, with SHA-256 and SHA-384, for a provider's answer to
// OSSL_OP_KDF. A handshake asks for twenty keys; OpenSSL's own KDF looks hash and HMAC up by their
// names for each of them, this one keeps them. The hash itself stays OpenSSL's.
//
// In turns with OpenSSL's, three rounds, a login took 0.97 (full) and 0.91 (resumed) of the time
// before (scripts/bench table --only login,resumed).
const OSSL_ALGORITHM* tls13_kdf();

// HKDF-Expand-Label of RFC 8446 section 7.1 without a context; `hash_size` (32: SHA-256, 48:
// SHA-384) names the hash. False: another hash, too much wanted, or the hash failed.
bool hkdf_expand_label(std::size_t hash_size, std::span<const unsigned char> secret,
                       std::string_view label, std::span<unsigned char> out);

}  // namespace headgate::net
