#pragma once

#include <openssl/crypto.h>

#include <array>
#include <cstddef>

namespace headgate::net {

inline constexpr std::size_t kX25519KeySize = 32;

using X25519Key = std::array<unsigned char, kX25519KeySize>;

// A private key and its public one (RFC 7748, section 6.1). Wipes itself.
struct X25519Pair {
  X25519Key private_key{};
  X25519Key public_key{};

  X25519Pair() = default;
  ~X25519Pair() { OPENSSL_cleanse(private_key.data(), private_key.size()); }
  X25519Pair(const X25519Pair&) = delete;
  X25519Pair& operator=(const X25519Pair&) = delete;
};

}  // namespace headgate::net
