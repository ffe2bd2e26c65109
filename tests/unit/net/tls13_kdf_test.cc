#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include <optional>
#include <string>
#include <vector>

#include "base/c_ptr.h"
#include "net/tls_provider.h"
#include "raw_peer.h"

namespace headgate::net {
namespace {

using Kdf = CPtr<EVP_KDF, EVP_KDF_free>;
using Context = CPtr<EVP_KDF_CTX, EVP_KDF_CTX_free>;

struct Inputs {
  int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
  std::string digest = "SHA2-256";
  std::optional<std::string> key;
  std::optional<std::string> salt;
  std::optional<std::string> data;
  std::string label = "derived";
  std::string prefix = "tls13 ";

  // Borrows from the inputs.
  std::vector<OSSL_PARAM> params() {
    std::vector<OSSL_PARAM> all{
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PREFIX, prefix.data(), prefix.size()),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_LABEL, label.data(), label.size())};
    for (auto& [name, value] : {std::pair{OSSL_KDF_PARAM_KEY, &key},
                                {OSSL_KDF_PARAM_SALT, &salt},
                                {OSSL_KDF_PARAM_DATA, &data}}) {
      if (*value) {
        all.push_back(OSSL_PARAM_construct_octet_string(name, (*value)->data(), (*value)->size()));
      }
    }
    all.push_back(OSSL_PARAM_construct_end());
    return all;
  }
};

// Out of a library context that has nothing but our provider.
Kdf ours() {
  static OSSL_LIB_CTX* const library = [] {
    OSSL_LIB_CTX* made = OSSL_LIB_CTX_new();
    EXPECT_EQ(OSSL_PROVIDER_add_builtin(made, "headgate", &tls_provider_init), 1);
    EXPECT_NE(OSSL_PROVIDER_load(made, "headgate"), nullptr);
    return made;
  }();
  return Kdf(EVP_KDF_fetch(library, "TLS13-KDF", nullptr));
}

Kdf of_openssl() {
  return Kdf(EVP_KDF_fetch(nullptr, "TLS13-KDF", nullptr));
}

// nullopt: refused.
std::optional<std::string> derive(const Kdf& kdf, Inputs inputs, std::size_t size,
                                  bool set_before = false) {
  const Context context(EVP_KDF_CTX_new(kdf.get()));
  const auto params = inputs.params();
  std::string out(size, '\0');
  if (set_before && EVP_KDF_CTX_set_params(context.get(), params.data()) != 1) {
    return std::nullopt;
  }
  const int done = EVP_KDF_derive(context.get(), reinterpret_cast<unsigned char*>(out.data()), size,
                                  set_before ? nullptr : params.data());
  return done == 1 ? std::optional(out) : std::nullopt;
}

TEST(Tls13Kdf, MakesWhatOpensslMakes) {
  ASSERT_TRUE(ours());
  for (const auto& [digest, size] :
       {std::pair{"SHA2-256", 32UL}, {"SHA256", 32UL}, {"SHA2-384", 48UL}}) {
    for (const std::size_t key_size : {0UL, 1UL, 32UL, 48UL, 66UL, 129UL, 1000UL}) {
      const std::string key = test::random_bytes(key_size);
      for (const auto& data :
           {std::optional<std::string>(), std::optional(test::random_bytes(size))}) {
        for (const std::size_t out : {1UL, 12UL, 32UL, size, 2 * size + 5}) {
          Inputs inputs{.digest = digest, .key = key, .data = data, .label = "c ap traffic"};
          ASSERT_EQ(derive(ours(), inputs, out), derive(of_openssl(), inputs, out))
              << key_size << " " << out;
          ASSERT_EQ(derive(ours(), inputs, out, true), derive(ours(), inputs, out));
        }
      }
      Inputs inputs{.mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY, .digest = digest, .key = key};
      ASSERT_TRUE(derive(ours(), inputs, size));
      ASSERT_EQ(derive(ours(), inputs, size), derive(of_openssl(), inputs, size)) << key_size;
      inputs.salt = test::random_bytes(size);
      ASSERT_EQ(derive(ours(), inputs, size), derive(of_openssl(), inputs, size)) << key_size;
      inputs.key.reset();
      ASSERT_EQ(derive(ours(), inputs, size), derive(of_openssl(), inputs, size));
      ASSERT_EQ(derive(ours(), inputs, size, true), derive(of_openssl(), inputs, size));
    }
  }
}

TEST(Tls13Kdf, RefusesWhatItCannotDo) {
  ASSERT_TRUE(ours());
  const Inputs good{.key = std::string(32, 'k')};
  ASSERT_TRUE(derive(ours(), good, 32));
  Inputs inputs = good;
  inputs.digest = "SHA2-512";
  EXPECT_FALSE(derive(ours(), inputs, 32));
  inputs = good;
  inputs.mode = EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND;
  EXPECT_FALSE(derive(ours(), inputs, 32));
  inputs = good;
  inputs.key.reset();
  EXPECT_FALSE(derive(ours(), inputs, 32));
  inputs = good;
  inputs.label = std::string(250, 'l');
  EXPECT_FALSE(derive(ours(), inputs, 32));
  inputs = good;
  inputs.data = std::string(256, 'd');
  EXPECT_FALSE(derive(ours(), inputs, 32));
  EXPECT_FALSE(derive(ours(), good, 255 * 32 + 1));
  inputs = good;
  inputs.mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY;
  EXPECT_FALSE(derive(ours(), inputs, 31));
}

}  // namespace
}  // namespace headgate::net
