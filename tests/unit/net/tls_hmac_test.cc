#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/c_ptr.h"
#include "net/tls_provider.h"
#include "raw_peer.h"

namespace headgate::net {
namespace {

using Mac = CPtr<EVP_MAC, EVP_MAC_free>;
using Context = CPtr<EVP_MAC_CTX, EVP_MAC_CTX_free>;

// Out of a library context that has nothing but our provider.
Mac ours() {
  static OSSL_LIB_CTX* const library = [] {
    OSSL_LIB_CTX* made = OSSL_LIB_CTX_new();
    EXPECT_EQ(OSSL_PROVIDER_add_builtin(made, "headgate", &tls_provider_init), 1);
    EXPECT_NE(OSSL_PROVIDER_load(made, "headgate"), nullptr);
    return made;
  }();
  return Mac(EVP_MAC_fetch(library, "HMAC", nullptr));
}

Mac of_openssl() {
  return Mac(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
}

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

struct Digest {
  explicit Digest(const char* name)
      : params{OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, const_cast<char*>(name), 0),
               OSSL_PARAM_construct_end()} {}
  OSSL_PARAM params[2];
};

Context begun(const Mac& mac, const char* digest, std::string_view key) {
  Context context(EVP_MAC_CTX_new(mac.get()));
  EXPECT_EQ(EVP_MAC_init(context.get(), bytes(key), key.size(), Digest(digest).params), 1);
  return context;
}

bool add(const Context& context, std::string_view message) {
  return EVP_MAC_update(context.get(), bytes(message), message.size()) == 1;
}

// nullopt: refused.
std::optional<std::string> end(const Context& context) {
  std::string out(EVP_MAX_MD_SIZE, '\0');
  std::size_t size = 0;
  if (EVP_MAC_final(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size,
                    out.size()) != 1) {
    ERR_clear_error();
    return std::nullopt;
  }
  return out.substr(0, size);
}

std::optional<std::string> of(const Mac& mac, const char* digest, std::string_view key,
                              std::string_view message, std::size_t piece) {
  const Context context = begun(mac, digest, key);
  for (std::size_t at = 0; at < message.size(); at += piece) {
    EXPECT_TRUE(add(context, message.substr(at, piece)));
  }
  return end(context);
}

TEST(TlsHmac, MakesWhatOpensslMakes) {
  ASSERT_TRUE(ours());
  for (const char* digest : {"SHA2-256", "SHA256", "SHA2-384", "SHA384", "SHA1", "SHA512", "MD5"}) {
    for (const std::size_t key_size : {0UL, 1UL, 32UL, 48UL, 63UL, 64UL, 65UL, 128UL, 200UL}) {
      const std::string key = test::random_bytes(key_size);
      for (const std::size_t size : {0UL, 1UL, 32UL, 300UL, 1023UL, 1024UL, 1025UL, 5000UL}) {
        const std::string message = test::random_bytes(size);
        const auto expected = of(of_openssl(), digest, key, message, size + 1);
        ASSERT_TRUE(expected);
        for (const std::size_t piece : {size + 1, 700UL, 1UL}) {
          ASSERT_EQ(of(ours(), digest, key, message, piece), expected)
              << digest << ", a key of " << key_size << ", a message of " << size;
        }
      }
    }
  }
}

TEST(TlsHmac, TheOneOfRfc4231) {
  const std::string key(20, '\x0b');
  const auto made = of(ours(), "SHA2-256", key, "Hi There", 100);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->substr(0, 8), "\xb0\x34\x4c\x61\xd8\xdb\x38\x53");
}

TEST(TlsHmac, BeginsAnewWithTheKeyOfBefore) {
  for (const std::size_t size : {10UL, 3000UL}) {
    const std::string message = test::random_bytes(size);
    const Context context = begun(ours(), "SHA2-256", "key");
    ASSERT_TRUE(add(context, message));
    const auto first = end(context);
    ASSERT_TRUE(first);
    ASSERT_EQ(EVP_MAC_init(context.get(), nullptr, 0, nullptr), 1);
    ASSERT_TRUE(add(context, message));
    EXPECT_EQ(end(context), first) << size;
    ASSERT_EQ(EVP_MAC_init(context.get(), bytes("other"), 5, nullptr), 1);
    ASSERT_TRUE(add(context, message));
    EXPECT_EQ(end(context), of(of_openssl(), "SHA2-256", "other", message, 5000)) << size;
  }
}

TEST(TlsHmac, ACopyGoesItsOwnWay) {
  for (const std::size_t size : {10UL, 3000UL}) {
    const std::string message = test::random_bytes(size);
    const Context context = begun(ours(), "SHA2-384", "key");
    ASSERT_TRUE(add(context, message));
    const Context copy(EVP_MAC_CTX_dup(context.get()));
    ASSERT_TRUE(copy);
    ASSERT_TRUE(add(copy, "more"));
    EXPECT_EQ(end(context), of(of_openssl(), "SHA2-384", "key", message, 5000));
    EXPECT_EQ(end(copy), of(of_openssl(), "SHA2-384", "key", message + "more", 5000));
  }
}

TEST(TlsHmac, SaysHowLongItWillBe) {
  for (const char* digest : {"SHA2-256", "SHA2-384", "SHA1"}) {
    const Context context = begun(ours(), digest, "key");
    const Context other = begun(of_openssl(), digest, "key");
    EXPECT_EQ(EVP_MAC_CTX_get_mac_size(context.get()), EVP_MAC_CTX_get_mac_size(other.get()));
    EXPECT_EQ(EVP_MAC_CTX_get_block_size(context.get()), EVP_MAC_CTX_get_block_size(other.get()));
  }
}

TEST(TlsHmac, WithoutAKeyOrAHashThereIsNone) {
  const Context without_hash(EVP_MAC_CTX_new(ours().get()));
  EXPECT_NE(EVP_MAC_init(without_hash.get(), bytes("key"), 3, nullptr), 1);
  const Context without_key(EVP_MAC_CTX_new(ours().get()));
  ASSERT_EQ(EVP_MAC_CTX_set_params(without_key.get(), Digest("SHA2-256").params), 1);
  EXPECT_FALSE(end(without_key));
  const Context unknown(EVP_MAC_CTX_new(ours().get()));
  EXPECT_NE(EVP_MAC_CTX_set_params(unknown.get(), Digest("SHA0").params), 1);
  const Context small = begun(ours(), "SHA2-256", "key");
  unsigned char out[31];
  std::size_t size = 0;
  EXPECT_NE(EVP_MAC_final(small.get(), out, &size, sizeof out), 1);
  ERR_clear_error();
}

TEST(TlsHmac, AnotherHashCountsFromTheNextBeginningOn) {
  const Context context = begun(ours(), "SHA2-256", "key");
  ASSERT_EQ(EVP_MAC_init(context.get(), bytes("key"), 3, Digest("SHA2-384").params), 1);
  ASSERT_TRUE(add(context, "message"));
  EXPECT_EQ(end(context), of(of_openssl(), "SHA2-384", "key", "message", 100));
}

}  // namespace
}  // namespace headgate::net
