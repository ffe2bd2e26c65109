#pragma once

// Private keys for tests of signatures, by OpenSSL alone: what an issuer of tokens has.

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <memory>
#include <string>
#include <string_view>

namespace headgate::net::test {

class SigningKey {
 public:
  static SigningKey rsa(std::size_t bits = 2048) {
    return SigningKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", bits));
  }
  static SigningKey ec(const char* curve) {
    return SigningKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve));
  }
  static SigningKey ed25519() { return SigningKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")); }

  [[nodiscard]] std::string modulus() const { return number(OSSL_PKEY_PARAM_RSA_N, 0); }
  [[nodiscard]] std::string exponent() const { return number(OSSL_PKEY_PARAM_RSA_E, 0); }
  // Of a point.
  [[nodiscard]] std::string x() const { return number(OSSL_PKEY_PARAM_EC_PUB_X, coordinate()); }
  [[nodiscard]] std::string y() const { return number(OSSL_PKEY_PARAM_EC_PUB_Y, coordinate()); }
  // Of Ed25519.
  [[nodiscard]] std::string raw() const {
    std::string bytes(32, '\0');
    std::size_t size = bytes.size();
    EVP_PKEY_get_raw_public_key(key_.get(), writable(bytes), &size);
    return bytes;
  }

  // In the form of a JSON Web Signature. `digest` nullptr: the key's own.
  [[nodiscard]] std::string sign(const char* digest, bool pss, std::string_view message) const {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                          &EVP_MD_CTX_free);
    EVP_PKEY_CTX* options = nullptr;
    EXPECT_EQ(EVP_DigestSignInit_ex(context.get(), &options, digest, nullptr, nullptr, key_.get(),
                                    nullptr),
              1);
    if (pss) {
      EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
      EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST);
    }
    const auto* bytes = reinterpret_cast<const unsigned char*>(message.data());
    std::size_t size = 0;
    EVP_DigestSign(context.get(), nullptr, &size, bytes, message.size());
    std::string signature(size, '\0');
    EXPECT_EQ(EVP_DigestSign(context.get(), writable(signature), &size, bytes, message.size()), 1);
    signature.resize(size);
    return EVP_PKEY_is_a(key_.get(), "EC") == 1 ? two_numbers(signature) : signature;
  }

 private:
  explicit SigningKey(EVP_PKEY* key) : key_(key, &EVP_PKEY_free) {}

  static unsigned char* writable(std::string& bytes) {
    return reinterpret_cast<unsigned char*>(bytes.data());
  }
  [[nodiscard]] int coordinate() const { return (EVP_PKEY_get_bits(key_.get()) + 7) / 8; }

  // Big-endian; `size` 0: as short as it is.
  [[nodiscard]] std::string number(const char* parameter, int size) const {
    BIGNUM* value = nullptr;
    EXPECT_EQ(EVP_PKEY_get_bn_param(key_.get(), parameter, &value), 1);
    std::string bytes(static_cast<std::size_t>(size > 0 ? size : BN_num_bytes(value)), '\0');
    BN_bn2binpad(value, writable(bytes), static_cast<int>(bytes.size()));
    BN_free(value);
    return bytes;
  }

  [[nodiscard]] std::string two_numbers(const std::string& der) const {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> signature(
        d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())), &ECDSA_SIG_free);
    const int half = coordinate();
    std::string bytes(static_cast<std::size_t>(2 * half), '\0');
    BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), writable(bytes), half);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), writable(bytes) + half, half);
    return bytes;
  }

  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
};

}  // namespace headgate::net::test
