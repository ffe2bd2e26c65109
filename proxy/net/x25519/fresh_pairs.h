#pragma once

#include <openssl/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "net/x25519/batch.h"
#include "net/x25519/pair.h"

namespace headgate::net {

// How the public key of a fresh pair is made.
enum class X25519Way : std::uint8_t {
  kOpenSsl,  // as OpenSSL does by itself: not our affair
  kLadder,   // one at a time, by the ladder of x25519/openssl.h
  kBatch,    // eight at a time, by x25519/batch.h
};

// The fastest on this processor and with this OpenSSL that makes the keys that the ladder makes;
// measured once, in about a millisecond, on the first call.
X25519Way fastest_x25519_way();

// For the log: "OpenSSL", "ladder", "batch".
std::string_view name_of(X25519Way way);

// Pairs that nobody had before. Those of a batch wait here for the handshakes to come, seven at
// most, and are wiped as they are handed out and when this ends. Of one thread.
class FreshX25519Pairs {
 public:
  // kOpenSsl: by the ladder.
  explicit FreshX25519Pairs(X25519Way way) : way_(way) {}
  ~FreshX25519Pairs();
  FreshX25519Pairs(const FreshX25519Pairs&) = delete;
  FreshX25519Pairs& operator=(const FreshX25519Pairs&) = delete;

  // Private keys are random bytes of that library context. False: it has none, or OpenSSL failed.
  bool take(OSSL_LIB_CTX* library, X25519Pair& pair);

 private:
  bool make_batch(OSSL_LIB_CTX* library);

  const X25519Way way_;
  std::size_t left_ = 0;
  std::array<X25519Key, kX25519Batch> private_keys_{};
  std::array<X25519Key, kX25519Batch> public_keys_{};
};

// Made in the fastest_x25519_way().
FreshX25519Pairs& fresh_pairs_of_this_thread();

}  // namespace headgate::net
