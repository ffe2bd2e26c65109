#pragma once

#include <openssl/core.h>

namespace headgate::net {

// An OpenSSL provider (provider(7)) with those parts of a TLS handshake that OpenSSL does in a slow
// way: X25519 keys (x25519/keys.h) and what they agree on (x25519/encapsulation.h), the key
// schedule of TLS 1.3 (tls13_kdf.h) and short HMACs (tls_hmac.h). It is built in, for
// OSSL_PROVIDER_add_builtin(), and wants OpenSSL's "default" provider beside it for all the rest.
extern "C" int tls_provider_init(const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH* in,
                                 const OSSL_DISPATCH** out, void** context);

// The same without X25519: for where fastest_x25519_way() is OpenSSL's own.
extern "C" int tls_provider_without_keys_init(const OSSL_CORE_HANDLE* handle,
                                              const OSSL_DISPATCH* in, const OSSL_DISPATCH** out,
                                              void** context);

// An entry of a table of functions, as OpenSSL wants them.
template <typename Function>
OSSL_DISPATCH dispatch_entry(int id, Function* function) {
  return {id, reinterpret_cast<void (*)(void)>(function)};
}

}  // namespace headgate::net
