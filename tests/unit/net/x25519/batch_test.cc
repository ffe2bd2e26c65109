#include "net/x25519/batch.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <memory>
#include <string_view>

#include "net/x25519/fresh_pairs.h"

namespace headgate::net {
namespace {

using Batch = std::array<X25519Key, kX25519Batch>;

X25519Key from_hex(std::string_view hex) {
  X25519Key key{};
  for (std::size_t i = 0; i < key.size(); ++i) {
    key[i] = static_cast<unsigned char>(std::stoi(std::string(hex.substr(2 * i, 2)), nullptr, 16));
  }
  return key;
}

X25519Key by_openssl(const X25519Key& private_key) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, private_key.data(),
                                   private_key.size()),
      &EVP_PKEY_free);
  X25519Key public_key{};
  std::size_t size = public_key.size();
  EXPECT_EQ(EVP_PKEY_get_raw_public_key(key.get(), public_key.data(), &size), 1);
  return public_key;
}

Batch public_keys_of(const Batch& private_keys) {
  Batch public_keys{};
  x25519_public_keys(private_keys, public_keys);
  return public_keys;
}

// Where the processor cannot, it must never be chosen, and nothing else can be tested.
class X25519Batch : public testing::Test {
 protected:
  void expect_as_openssl(const Batch& private_keys) {
    if (!has_x25519_batch()) {
      EXPECT_NE(fastest_x25519_way(), X25519Way::kBatch);
      return;
    }
    const Batch public_keys = public_keys_of(private_keys);
    for (std::size_t i = 0; i < kX25519Batch; ++i) {
      EXPECT_EQ(public_keys[i], by_openssl(private_keys[i])) << i;
    }
  }
};

TEST_F(X25519Batch, MakesThePublicKeysOfRfc7748InEveryLane) {
  const X25519Key alice =
      from_hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
  const X25519Key bob =
      from_hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
  const X25519Key alices =
      from_hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
  const X25519Key bobs =
      from_hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  EXPECT_EQ(by_openssl(bob), bobs);
  if (!has_x25519_batch()) {
    EXPECT_NE(fastest_x25519_way(), X25519Way::kBatch);
    return;
  }
  for (std::size_t lane = 0; lane < kX25519Batch; ++lane) {
    Batch private_keys;
    private_keys.fill(bob);
    private_keys[lane] = alice;
    const Batch public_keys = public_keys_of(private_keys);
    for (std::size_t i = 0; i < kX25519Batch; ++i) {
      EXPECT_EQ(public_keys[i], i == lane ? alices : bobs);
    }
  }
}

// Nothing set, everything set, and each bit alone: what RFC 7748 sets and clears included.
TEST_F(X25519Batch, MakesOpenSslsKeysOfEveryBit) {
  Batch keys{};
  keys[1].fill(0xff);
  keys[2].fill(0x55);
  keys[3].fill(0xaa);
  expect_as_openssl(keys);
  for (std::size_t bit = 0; bit < 8 * kX25519KeySize; bit += kX25519Batch) {
    keys = {};
    for (std::size_t lane = 0; lane < kX25519Batch; ++lane) {
      keys[lane][bit / 8] = static_cast<unsigned char>(1U << lane);
    }
    expect_as_openssl(keys);
  }
}

TEST_F(X25519Batch, MakesOpenSslsKeysOfRandomBytes) {
  Batch keys;
  for (int round = 0; round < 400; ++round) {
    ASSERT_EQ(RAND_bytes(keys.front().data(), sizeof keys), 1);
    expect_as_openssl(keys);
  }
}

// What the one makes is the next one's private key: limbs of all sizes come by.
TEST_F(X25519Batch, MakesOpenSslsKeysOfItsOwn) {
  if (!has_x25519_batch()) {
    EXPECT_NE(fastest_x25519_way(), X25519Way::kBatch);
    return;
  }
  Batch keys{};
  X25519Key expected{};
  for (int round = 0; round < 500; ++round) {
    keys = public_keys_of(keys);
    expected = by_openssl(expected);
  }
  for (const X25519Key& key : keys) {
    EXPECT_EQ(key, expected);
  }
}

TEST_F(X25519Batch, MayWriteOverWhatItReads) {
  Batch keys{};
  if (has_x25519_batch()) {
    x25519_public_keys(keys, keys);
    EXPECT_EQ(keys.back(), by_openssl({}));
  }
  expect_as_openssl(keys);
}

}  // namespace
}  // namespace headgate::net
