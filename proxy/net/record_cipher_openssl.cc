#include <openssl/evp.h>

#include <new>
#include <utility>

#include "base/c_ptr.h"
#include "net/crypto_library.h"
#include "net/record_cipher.h"

namespace headgate::net {
namespace {

using Context = CPtr<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

const unsigned char* bytes_of(const char* text) {
  return reinterpret_cast<const unsigned char*>(text);
}

unsigned char* bytes_of(char* text) {
  return reinterpret_cast<unsigned char*>(text);
}

// Fetched once for the process.
const EVP_CIPHER* cipher_of(RecordCipher::Suite suite) {
  static EVP_CIPHER* const aes128 = EVP_CIPHER_fetch(crypto_library(), "AES-128-GCM", nullptr);
  static EVP_CIPHER* const aes256 = EVP_CIPHER_fetch(crypto_library(), "AES-256-GCM", nullptr);
  static EVP_CIPHER* const chacha =
      EVP_CIPHER_fetch(crypto_library(), "ChaCha20-Poly1305", nullptr);
  switch (suite) {
    case RecordCipher::Suite::kAes128Gcm:
      return aes128;
    case RecordCipher::Suite::kAes256Gcm:
      return aes256;
    case RecordCipher::Suite::kChaCha20Poly1305:
      return chacha;
  }
  return nullptr;
}

class OpenSslCipher final : public RecordCipher {
 public:
  explicit OpenSslCipher(Context context) : context_(std::move(context)) {}

  bool set_key(std::span<const unsigned char> key) override {
    return static_cast<int>(key.size()) == EVP_CIPHER_CTX_get_key_length(context_.get()) &&
           EVP_CipherInit_ex2(context_.get(), nullptr, key.data(), nullptr, -1, nullptr) == 1;
  }

  bool seal(const Nonce& nonce, Header header, std::string_view text, std::string_view following,
            char* out) override {
    EVP_CIPHER_CTX* const context = context_.get();
    char* const end = out + text.size() + following.size();
    int made = 0;
    return EVP_EncryptInit_ex2(context, nullptr, nullptr, nonce.data(), nullptr) == 1 &&
           EVP_EncryptUpdate(context, nullptr, &made, bytes_of(header.data()),
                             static_cast<int>(header.size())) == 1 &&
           EVP_EncryptUpdate(context, bytes_of(out), &made, bytes_of(text.data()),
                             static_cast<int>(text.size())) == 1 &&
           (following.empty() || EVP_EncryptUpdate(context, bytes_of(out + text.size()), &made,
                                                   bytes_of(following.data()),
                                                   static_cast<int>(following.size())) == 1) &&
           EVP_EncryptFinal_ex(context, bytes_of(end), &made) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTag, end) == 1;
  }

  bool open(const Nonce& nonce, Header header, std::string_view sealed, char* out) override {
    EVP_CIPHER_CTX* const context = context_.get();
    const std::size_t size = sealed.size() - kTag;
    int made = 0;
    return EVP_DecryptInit_ex2(context, nullptr, nullptr, nonce.data(), nullptr) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTag,
                               const_cast<char*>(sealed.data() + size)) == 1 &&
           EVP_DecryptUpdate(context, nullptr, &made, bytes_of(header.data()),
                             static_cast<int>(header.size())) == 1 &&
           EVP_DecryptUpdate(context, bytes_of(out), &made, bytes_of(sealed.data()),
                             static_cast<int>(size)) == 1 &&
           EVP_DecryptFinal_ex(context, bytes_of(out + size), &made) == 1;
  }

 private:
  Context context_;
};

}  // namespace

std::unique_ptr<RecordCipher> openssl_record_cipher(RecordCipher::Suite suite,
                                                    RecordCipher::Use use,
                                                    std::span<const unsigned char> key) {
  const EVP_CIPHER* const cipher = cipher_of(suite);
  Context context(EVP_CIPHER_CTX_new());
  if (cipher == nullptr || context == nullptr ||
      EVP_CipherInit_ex2(context.get(), cipher, nullptr, nullptr,
                         use == RecordCipher::Use::kSeal ? 1 : 0, nullptr) != 1) {
    return nullptr;
  }
  std::unique_ptr<RecordCipher> made(new (std::nothrow) OpenSslCipher(std::move(context)));
  return made != nullptr && made->set_key(key) ? std::move(made) : nullptr;
}

}  // namespace headgate::net
