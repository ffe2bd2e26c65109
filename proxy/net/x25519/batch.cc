#include "net/x25519/batch.h"

#include <openssl/crypto.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#include "net/x25519/field.h"

namespace headgate::net {
namespace {

using namespace x25519;

constexpr std::size_t kWordSize = sizeof(std::uint64_t);
constexpr std::size_t kWords = kX25519KeySize / kWordSize;
// RFC 7748, section 5: (486662 - 2) / 4, and the highest bit of a scalar that counts.
constexpr std::uint64_t kA24 = 121665;
constexpr int kTopBit = 254;
// Section 4.1.
constexpr std::uint64_t kBasePoint = 9;

// The Montgomery ladder of RFC 7748, section 5, by its names, from the base point.
HEADGATE_IFMA_INLINE Field ladder(const Lanes* scalars) {
  Field x2 = small(1);
  Field z2 = small(0);
  Field x3 = small(kBasePoint);
  Field z3 = small(1);
  Lanes swapped{};
  for (int t = kTopBit; t >= 0; --t) {
    const Lanes bit = (scalars[t / 64] >> (t % 64)) & 1;
    const Lanes swap = Lanes{} - (bit ^ swapped);
    swapped = bit;
    swap_where(swap, x2, x3);
    swap_where(swap, z2, z3);
    const Field a = add(x2, z2);
    const Field b = subtract(x2, z2);
    const Field da = multiply(subtract(x3, z3), a);
    const Field cb = multiply(add(x3, z3), b);
    const Field aa = square(a);
    const Field bb = square(b);
    const Field e = subtract(aa, bb);
    x3 = square(add(da, cb));
    z3 = multiply(square(subtract(da, cb)), kBasePoint);
    x2 = multiply(aa, bb);
    z2 = multiply(e, add(aa, multiply(e, kA24)));
  }
  // The last bit of a scalar is 0, so that nothing is swapped now.
  return multiply(x2, inverse(z2));
}

// A word of 64 bits of each key, little-endian as keys are.
using Word = std::array<std::uint64_t, kX25519Batch>;
using Words = std::array<Word, kWords>;

HEADGATE_IFMA_INLINE Lanes load(const Word& word) {
  Lanes lanes;
  std::memcpy(&lanes, word.data(), sizeof lanes);
  return lanes;
}

[[HEADGATE_IFMA]] void multiply_base_point(Words& words) {
  Lanes scalars[kWords] = {load(words[0]), load(words[1]), load(words[2]), load(words[3])};
  scalars[0] &= ~std::uint64_t{7};
  scalars[3] = (scalars[3] & ~(std::uint64_t{1} << 63)) | (std::uint64_t{1} << 62);
  Field x = ladder(scalars);
  OPENSSL_cleanse(scalars, sizeof scalars);
  make_canonical(x);
#pragma GCC unroll 4
  for (unsigned i = 0; i < kWords; ++i) {
    const unsigned gone = i * (64 - kLimbBits);  // bits of limb i that the word before has
    const Lanes word = (x.limb[i] >> gone) | (x.limb[i + 1] << (kLimbBits - gone));
    std::memcpy(words[i].data(), &word, sizeof word);
  }
}

}  // namespace

bool has_x25519_batch() {
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512ifma") != 0;
}

void x25519_public_keys(std::span<const X25519Key, kX25519Batch> private_keys,
                        std::span<X25519Key, kX25519Batch> public_keys) {
  Words words;
  for (std::size_t key = 0; key < kX25519Batch; ++key) {
    for (std::size_t i = 0; i < kWords; ++i) {
      std::memcpy(&words[i][key], private_keys[key].data() + i * kWordSize, kWordSize);
    }
  }
  multiply_base_point(words);  // which leaves nothing secret in them
  for (std::size_t key = 0; key < kX25519Batch; ++key) {
    for (std::size_t i = 0; i < kWords; ++i) {
      std::memcpy(public_keys[key].data() + i * kWordSize, &words[i][key], kWordSize);
    }
  }
}

}  // namespace headgate::net

#else

namespace headgate::net {

bool has_x25519_batch() {
  return false;
}

void x25519_public_keys(std::span<const X25519Key, kX25519Batch> /*private_keys*/,
                        std::span<X25519Key, kX25519Batch> /*public_keys*/) {
  std::abort();
}

}  // namespace headgate::net

#endif
