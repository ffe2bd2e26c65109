#include "net/tls_provider.h"

#include <gtest/gtest.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace headgate::net {
namespace {

template <auto kFree>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Pkey = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using PkeyContext = std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>>;
using Bytes = std::vector<unsigned char>;

Bytes from_hex(const std::string& hex) {
  Bytes bytes;
  for (std::size_t at = 0; at < hex.size(); at += 2) {
    bytes.push_back(static_cast<unsigned char>(std::stoi(hex.substr(at, 2), nullptr, 16)));
  }
  return bytes;
}

Bytes raw(const Pkey& key, int (*get)(const EVP_PKEY*, unsigned char*, std::size_t*)) {
  Bytes bytes(32);
  std::size_t size = bytes.size();
  EXPECT_EQ(get(key.get(), bytes.data(), &size), 1);
  bytes.resize(size);
  return bytes;
}

Bytes public_of(const Pkey& key) {
  return raw(key, &EVP_PKEY_get_raw_public_key);
}

Bytes private_of(const Pkey& key) {
  return raw(key, &EVP_PKEY_get_raw_private_key);
}

// A library context that has the provider whatever it measured; `nullptr` is OpenSSL's own.
class X25519Keys : public testing::Test {
 protected:
  X25519Keys() : library_(OSSL_LIB_CTX_new()) {
    EXPECT_EQ(OSSL_PROVIDER_add_builtin(library_.get(), "headgate", &tls_provider_init), 1);
    for (const char* name : {"default", "headgate"}) {
      providers_.emplace_back(OSSL_PROVIDER_load(library_.get(), name));
      EXPECT_NE(providers_.back(), nullptr);
    }
    EXPECT_EQ(EVP_set_default_properties(library_.get(), "?provider=headgate"), 1);
  }

  Pkey generate() { return Pkey(EVP_PKEY_Q_keygen(library_.get(), nullptr, "X25519")); }
  Pkey with_private(OSSL_LIB_CTX* library, const Bytes& bytes) {
    return Pkey(
        EVP_PKEY_new_raw_private_key_ex(library, "X25519", nullptr, bytes.data(), bytes.size()));
  }
  Pkey with_public(OSSL_LIB_CTX* library, const Bytes& bytes) {
    return Pkey(
        EVP_PKEY_new_raw_public_key_ex(library, "X25519", nullptr, bytes.data(), bytes.size()));
  }
  // Empty: refused.
  Bytes shared_secret(OSSL_LIB_CTX* library, const Pkey& own, const Pkey& peer) {
    const PkeyContext derive(EVP_PKEY_CTX_new_from_pkey(library, own.get(), nullptr));
    Bytes secret(32);
    std::size_t size = secret.size();
    if (EVP_PKEY_derive_init(derive.get()) != 1 ||
        EVP_PKEY_derive_set_peer(derive.get(), peer.get()) != 1 ||
        EVP_PKEY_derive(derive.get(), secret.data(), &size) != 1) {
      ERR_clear_error();
      return {};
    }
    return secret;
  }

  struct Encapsulated {
    Bytes public_key;
    Bytes secret;
  };
  // Empty: refused.
  Encapsulated encapsulate(const Pkey& peer) {
    const PkeyContext context(EVP_PKEY_CTX_new_from_pkey(library_.get(), peer.get(), nullptr));
    std::size_t public_size = 0;
    std::size_t secret_size = 0;
    EXPECT_EQ(EVP_PKEY_encapsulate_init(context.get(), nullptr), 1);
    EXPECT_EQ(EVP_PKEY_encapsulate(context.get(), nullptr, &public_size, nullptr, &secret_size), 1);
    Encapsulated made{Bytes(public_size), Bytes(secret_size)};
    if (EVP_PKEY_encapsulate(context.get(), made.public_key.data(), &public_size,
                             made.secret.data(), &secret_size) != 1) {
      ERR_clear_error();
      return {};
    }
    return made;
  }
  Bytes decapsulate(const Pkey& own, const Bytes& in) {
    const PkeyContext context(EVP_PKEY_CTX_new_from_pkey(library_.get(), own.get(), nullptr));
    EXPECT_EQ(EVP_PKEY_decapsulate_init(context.get(), nullptr), 1);
    std::size_t size = 0;
    EXPECT_EQ(EVP_PKEY_decapsulate(context.get(), nullptr, &size, in.data(), in.size()), 1);
    Bytes secret(size);
    if (EVP_PKEY_decapsulate(context.get(), secret.data(), &size, in.data(), in.size()) != 1) {
      ERR_clear_error();
      return {};
    }
    return secret;
  }

  std::unique_ptr<OSSL_LIB_CTX, Freer<OSSL_LIB_CTX_free>> library_;
  std::vector<std::unique_ptr<OSSL_PROVIDER, Freer<OSSL_PROVIDER_unload>>> providers_;
};

TEST_F(X25519Keys, ServesTheKeysOfItsLibraryContext) {
  const Pkey key = generate();
  ASSERT_TRUE(key);
  EXPECT_STREQ(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(key.get())), "headgate");
  EXPECT_EQ(EVP_PKEY_get_bits(key.get()), 253);
  EXPECT_EQ(EVP_PKEY_get_security_bits(key.get()), 128);
  EXPECT_EQ(EVP_PKEY_get_size(key.get()), 32);
}

TEST_F(X25519Keys, MakesThePublicKeyOfRfc7748) {
  const Pkey alice = with_private(
      library_.get(), from_hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
  ASSERT_TRUE(alice);
  EXPECT_EQ(public_of(alice),
            from_hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"));
}

TEST_F(X25519Keys, GeneratesWhatOpenSslWouldHaveMadeOfTheSamePrivateKey) {
  Bytes before;
  for (int i = 0; i < 200; ++i) {
    const Pkey key = generate();
    ASSERT_TRUE(key);
    const Bytes secret = private_of(key);
    EXPECT_NE(secret, before);
    EXPECT_EQ(public_of(key), public_of(with_private(nullptr, secret)));
    before = secret;
  }
}

TEST_F(X25519Keys, AgreesWithOpenSslOnTheSharedSecret) {
  const Pkey ours = generate();
  const Pkey theirs(EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519"));
  const Bytes secret =
      shared_secret(library_.get(), ours, with_public(library_.get(), public_of(theirs)));
  ASSERT_EQ(secret.size(), 32U);
  EXPECT_EQ(secret, shared_secret(nullptr, theirs, with_public(nullptr, public_of(ours))));
}

TEST_F(X25519Keys, APeerOfSmallOrderIsRefused) {
  const Pkey ours = generate();
  EXPECT_TRUE(shared_secret(library_.get(), ours, with_public(library_.get(), Bytes(32))).empty());
}

TEST_F(X25519Keys, WhatIsEncapsulatedIsTheSecretThatOpensslDerives) {
  const Pkey theirs(EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519"));
  Bytes before;
  for (int i = 0; i < 20; ++i) {  // more than a batch of fresh pairs
    const auto made = encapsulate(with_public(library_.get(), public_of(theirs)));
    ASSERT_EQ(made.public_key.size(), 32U);
    ASSERT_EQ(made.secret.size(), 32U);
    EXPECT_NE(made.public_key, before);
    EXPECT_EQ(made.secret, shared_secret(nullptr, theirs, with_public(nullptr, made.public_key)));
    before = made.public_key;
  }
}

TEST_F(X25519Keys, WhatOpensslDerivesIsDecapsulated) {
  const Pkey ours = generate();
  const Pkey theirs(EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519"));
  const Bytes secret = decapsulate(ours, public_of(theirs));
  ASSERT_EQ(secret.size(), 32U);
  EXPECT_EQ(secret, shared_secret(nullptr, theirs, with_public(nullptr, public_of(ours))));
}

TEST_F(X25519Keys, APeerOfSmallOrderOrAnotherSizeIsNotEncapsulatedWith) {
  EXPECT_TRUE(encapsulate(with_public(library_.get(), Bytes(32))).secret.empty());
  const Pkey ours = generate();
  EXPECT_TRUE(decapsulate(ours, Bytes(32)).empty());
  EXPECT_TRUE(decapsulate(ours, Bytes(31, 1)).empty());
  EXPECT_TRUE(decapsulate(ours, Bytes(33, 1)).empty());
}

TEST_F(X25519Keys, NothingIsWrittenWhereThereIsNoRoom) {
  const Pkey peer = generate();
  const PkeyContext context(EVP_PKEY_CTX_new_from_pkey(library_.get(), peer.get(), nullptr));
  ASSERT_EQ(EVP_PKEY_encapsulate_init(context.get(), nullptr), 1);
  Bytes public_key(32);
  Bytes secret(32);
  std::size_t enough = 32;
  std::size_t little = 31;
  EXPECT_NE(EVP_PKEY_encapsulate(context.get(), public_key.data(), &little, secret.data(), &enough),
            1);
  EXPECT_NE(EVP_PKEY_encapsulate(context.get(), public_key.data(), &enough, secret.data(), &little),
            1);
  EXPECT_EQ(public_key, Bytes(32));
  EXPECT_EQ(secret, Bytes(32));
  ERR_clear_error();
}

TEST_F(X25519Keys, AKeyOfAnotherSizeIsRefused) {
  EXPECT_FALSE(with_public(library_.get(), Bytes(31, 1)));
  EXPECT_FALSE(with_public(library_.get(), Bytes(33, 1)));
  EXPECT_FALSE(with_private(library_.get(), Bytes(31, 1)));
  ERR_clear_error();
}

TEST_F(X25519Keys, ACopyIsTheSameKey) {
  const Pkey key = generate();
  const Pkey copy(EVP_PKEY_dup(key.get()));
  ASSERT_TRUE(copy);
  EXPECT_EQ(EVP_PKEY_eq(key.get(), copy.get()), 1);
  EXPECT_EQ(private_of(copy), private_of(key));
  EXPECT_NE(EVP_PKEY_eq(key.get(), generate().get()), 1);
}

TEST_F(X25519Keys, WhatAPeerSentReplacesTheWholeKey) {
  const Pkey key = generate();
  const Bytes peer = public_of(generate());
  ASSERT_EQ(EVP_PKEY_set1_encoded_public_key(key.get(), peer.data(), peer.size()), 1);
  EXPECT_EQ(public_of(key), peer);
  Bytes secret(32);
  std::size_t size = secret.size();
  EXPECT_NE(EVP_PKEY_get_raw_private_key(key.get(), secret.data(), &size), 1);
  EXPECT_NE(EVP_PKEY_set1_encoded_public_key(key.get(), peer.data(), 31), 1);
  ERR_clear_error();
}

// Where OpenSSL's own keys are as fast.
TEST(TlsProviderWithoutKeys, LeavesX25519ToOpenssl) {
  const std::unique_ptr<OSSL_LIB_CTX, Freer<OSSL_LIB_CTX_free>> library(OSSL_LIB_CTX_new());
  ASSERT_EQ(OSSL_PROVIDER_add_builtin(library.get(), "headgate", &tls_provider_without_keys_init),
            1);
  const std::unique_ptr<OSSL_PROVIDER, Freer<OSSL_PROVIDER_unload>> openssl(
      OSSL_PROVIDER_load(library.get(), "default"));
  const std::unique_ptr<OSSL_PROVIDER, Freer<OSSL_PROVIDER_unload>> ours(
      OSSL_PROVIDER_load(library.get(), "headgate"));
  ASSERT_TRUE(openssl && ours);
  ASSERT_EQ(EVP_set_default_properties(library.get(), "?provider=headgate"), 1);
  const Pkey key(EVP_PKEY_Q_keygen(library.get(), nullptr, "X25519"));
  ASSERT_TRUE(key);
  EXPECT_STREQ(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(key.get())), "default");
}

}  // namespace
}  // namespace headgate::net
