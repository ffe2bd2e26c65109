#include "net/x25519/fresh_pairs.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/c_ptr.h"
#include "net/shortest.h"
#include "net/x25519/openssl.h"

namespace headgate::net {
namespace {

using Batch = std::array<X25519Key, kX25519Batch>;

// RFC 7748, section 5: so that what is stored is the scalar that is multiplied with.
void clamp(X25519Key& key) {
  key[0] &= 248;
  key[31] = static_cast<unsigned char>((key[31] & 127) | 64);
}

// Keys of no meaning, with bits set and cleared in all places.
Batch trial_keys() {
  Batch keys{};
  unsigned char byte = 0;
  for (X25519Key& key : keys) {
    for (unsigned char& each : key) {
      each = byte = static_cast<unsigned char>(byte * 5 + 113);
    }
    clamp(key);
  }
  return keys;
}

bool batch_makes_the_same(const Batch& private_keys) {
  Batch public_keys;
  x25519_public_keys(private_keys, public_keys);
  for (std::size_t i = 0; i < kX25519Batch; ++i) {
    X25519Key expected;
    if (!X25519OfOpenSsl::own().multiply(private_keys[i], expected) || expected != public_keys[i]) {
      return false;
    }
  }
  return true;
}

X25519Way measure() {
  if (!X25519OfOpenSsl::own().usable()) {
    return X25519Way::kOpenSsl;
  }
  const Batch keys = trial_keys();
  X25519Key public_key;
  ERR_set_mark();
  const auto ladder =
      shortest([&] { return X25519OfOpenSsl::own().multiply(keys[0], public_key); });
  const auto plain = shortest([] {
    return CPtr<EVP_PKEY, EVP_PKEY_free>(EVP_PKEY_Q_keygen(nullptr, nullptr, kX25519)) != nullptr;
  });
  ERR_pop_to_mark();
  if (ladder.count() == 0) {
    return X25519Way::kOpenSsl;
  }
  if (has_x25519_batch() && batch_makes_the_same(keys)) {
    Batch public_keys;
    const auto batch = shortest([&] {
      x25519_public_keys(keys, public_keys);
      return true;
    });
    if (batch < ladder * kX25519Batch) {
      return X25519Way::kBatch;
    }
  }
  return ladder < plain ? X25519Way::kLadder : X25519Way::kOpenSsl;
}

}  // namespace

X25519Way fastest_x25519_way() {
  static const X25519Way way = measure();
  return way;
}

std::string_view name_of(X25519Way way) {
  switch (way) {
    case X25519Way::kOpenSsl:
      return "OpenSSL";
    case X25519Way::kLadder:
      return "ladder";
    case X25519Way::kBatch:
      return "batch";
  }
  return "unknown";
}

FreshX25519Pairs::~FreshX25519Pairs() {
  OPENSSL_cleanse(&private_keys_, sizeof private_keys_);
}

bool FreshX25519Pairs::take(OSSL_LIB_CTX* library, X25519Pair& pair) {
  if (way_ != X25519Way::kBatch) {
    if (RAND_priv_bytes_ex(library, pair.private_key.data(), pair.private_key.size(), 0) != 1) {
      return false;
    }
    clamp(pair.private_key);
    return X25519OfOpenSsl::own().multiply(pair.private_key, pair.public_key);
  }
  if (left_ == 0 && !make_batch(library)) {
    return false;
  }
  --left_;
  pair.private_key = private_keys_[left_];
  pair.public_key = public_keys_[left_];
  OPENSSL_cleanse(private_keys_[left_].data(), kX25519KeySize);
  return true;
}

bool FreshX25519Pairs::make_batch(OSSL_LIB_CTX* library) {
  if (RAND_priv_bytes_ex(library, private_keys_.front().data(), sizeof private_keys_, 0) != 1) {
    return false;
  }
  for (X25519Key& key : private_keys_) {
    clamp(key);
  }
  x25519_public_keys(private_keys_, public_keys_);
  left_ = kX25519Batch;
  return true;
}

FreshX25519Pairs& fresh_pairs_of_this_thread() {
  thread_local FreshX25519Pairs pairs(fastest_x25519_way());
  return pairs;
}

}  // namespace headgate::net
