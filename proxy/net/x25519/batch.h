#pragma once

#include <cstddef>
#include <span>

#include "net/x25519/pair.h"

namespace headgate::net {

inline constexpr std::size_t kX25519Batch = 8;

// The public keys of eight private ones at once (RFC 7748, sections 5 and 6.1), in eight lanes of
// AVX-512 IFMA: in a fifth of the time that OpenSSL takes for one after the other. Headgate needs
// it for keys of its own that live for one handshake, and for those alone: a server knows them
// before it knows the client. A wrong public key would fail that handshake and tell nobody
// anything.
//
// Takes the same time and touches the same memory whatever the keys are. Bits that RFC 7748 says
// are set or cleared need not be.
void x25519_public_keys(std::span<const X25519Key, kX25519Batch> private_keys,
                        std::span<X25519Key, kX25519Batch> public_keys);

// Whether this processor can; without, the above may not be called.
bool has_x25519_batch();

}  // namespace headgate::net
