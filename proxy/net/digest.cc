#include "net/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

namespace headgate::net {
namespace {

// Running out of memory or entropy in here is nothing that a caller could mend.
void require(bool done, const char* what) {
  if (!done) {
    std::fprintf(stderr, "%s failed\n", what);
    std::abort();
  }
}

const EVP_MD* algorithm(Digest digest) {
  switch (digest) {
    case Digest::kSha1:
      return EVP_sha1();
    case Digest::kSha256:
      return EVP_sha256();
    case Digest::kSha512:
      return EVP_sha512();
  }
  return nullptr;
}

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// A finished digest as a Secret; the buffer it came in is wiped.
Secret take(unsigned char* result, std::size_t length) {
  Secret secret(std::string_view(reinterpret_cast<const char*>(result), length));
  wipe(result, length);
  return secret;
}

}  // namespace

Key random_key() {
  Key key;
  require(RAND_bytes(key.data(), static_cast<int>(key.size())) == 1, "RAND_bytes");
  return key;
}

Key keyed_hash(const Key& key, std::initializer_list<std::string_view> parts) {
  Secret message;
  for (const std::string_view part : parts) {
    const std::uint64_t length = part.size();
    message.append({reinterpret_cast<const char*>(&length), sizeof length});
    message.append(part);
  }
  Key result;
  unsigned size = 0;
  require(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes(message.view()),
               message.size(), result.data(), &size) != nullptr,
          "HMAC");
  return result;
}

std::size_t size(Digest digest) {
  return static_cast<std::size_t>(EVP_MD_get_size(algorithm(digest)));
}

Secret hash(Digest digest, std::string_view first, std::string_view second) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  unsigned char result[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  require(context && EVP_DigestInit_ex(context.get(), algorithm(digest), nullptr) == 1 &&
              EVP_DigestUpdate(context.get(), first.data(), first.size()) == 1 &&
              EVP_DigestUpdate(context.get(), second.data(), second.size()) == 1 &&
              EVP_DigestFinal_ex(context.get(), result, &length) == 1,
          "EVP_Digest");
  return take(result, length);
}

Secret hmac(Digest digest, std::string_view key, std::string_view message) {
  unsigned char result[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  require(HMAC(algorithm(digest), key.data(), static_cast<int>(key.size()), bytes(message),
               message.size(), result, &length) != nullptr,
          "HMAC");
  return take(result, length);
}

Secret pbkdf2(Digest digest, std::string_view password, std::string_view salt, unsigned rounds) {
  unsigned char result[EVP_MAX_MD_SIZE];
  const std::size_t length = size(digest);
  require(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), bytes(salt),
                            static_cast<int>(salt.size()), static_cast<int>(rounds),
                            algorithm(digest), static_cast<int>(length), result) == 1,
          "PKCS5_PBKDF2_HMAC");
  return take(result, length);
}

}  // namespace headgate::net
