#pragma once

#include <openssl/core.h>

namespace headgate::net {

// X25519 as a key encapsulation (provider-kem(7)) of the keys of x25519/keys.h, for a provider's
// answer to OSSL_OP_KEM. null: this OpenSSL has no X25519 that can be used so.
//
// It is the exchange of RFC 8446, section 7.4.2, by another name: who encapsulates makes a fresh
// pair, the public key is the "ciphertext", and what the two keys agree on is the secret. On the
// wire nothing differs. libssl takes this way for a group whose provider says that it is a KEM, in
// TLS 1.3 alone; and there a server's part is four calls of libcrypto, where the exchange is nine,
// most of which look up names: an EVP_PKEY for the fresh pair, a context to make it, one to derive
// with, another to check the peer's key.
const OSSL_ALGORITHM* x25519_encapsulations();

}  // namespace headgate::net
