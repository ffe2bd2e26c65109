#include "net/record_cipher.h"

#ifdef HEADGATE_IPSEC_MB

#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>

#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "base/c_ptr.h"

namespace headgate::net {
namespace {

// The functions of one key size for the instructions that this processor has.
struct Gcm {
  std::size_t key_size = 0;
  aes_gcm_pre_t expand = nullptr;
  aes_gcm_enc_dec_t seal = nullptr;
  aes_gcm_enc_dec_t open = nullptr;
  aes_gcm_init_t begin = nullptr;
  aes_gcm_enc_dec_update_t seal_part = nullptr;
  aes_gcm_enc_dec_finalize_t seal_end = nullptr;
};

struct Library {
  std::string name;  // empty: cannot be used here
  Gcm aes128;
  Gcm aes256;
};

// What the library calls its manager only finds these out; no record needs it.
Library make() {
  const CPtr<IMB_MGR, free_mb_mgr> manager(alloc_mb_mgr(0));
  if (manager == nullptr) {
    return {};
  }
  init_mb_mgr_auto(manager.get(), nullptr);
  // The library tests itself as it starts. Without AES instructions its tables can be timed.
  constexpr auto kNeeded = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ | IMB_FEATURE_SELF_TEST_PASS;
  if (imb_get_errno(manager.get()) != 0 || (manager->features & kNeeded) != kNeeded) {
    return {};
  }
  const IMB_MGR& has = *manager;
  return {"ipsec-mb " + std::string(imb_get_version_str()),
          {16, has.gcm128_pre, has.gcm128_enc, has.gcm128_dec, has.gcm128_init,
           has.gcm128_enc_update, has.gcm128_enc_finalize},
          {32, has.gcm256_pre, has.gcm256_enc, has.gcm256_dec, has.gcm256_init,
           has.gcm256_enc_update, has.gcm256_enc_finalize}};
}

const Library& library() {
  static const Library only = make();
  return only;
}

const std::uint8_t* bytes_of(const char* text) {
  return reinterpret_cast<const std::uint8_t*>(text);
}

std::uint8_t* bytes_of(char* text) {
  return reinterpret_cast<std::uint8_t*>(text);
}

class WipedKey {
 public:
  WipedKey() = default;
  ~WipedKey() { OPENSSL_cleanse(&data_, sizeof data_); }
  WipedKey(const WipedKey&) = delete;
  WipedKey& operator=(const WipedKey&) = delete;
  gcm_key_data* data() { return &data_; }

 private:
  gcm_key_data data_{};
};

class IpsecMbCipher final : public RecordCipher {
 public:
  IpsecMbCipher(const Gcm& gcm, std::unique_ptr<WipedKey> key) : gcm_(gcm), key_(std::move(key)) {}

  bool set_key(std::span<const unsigned char> key) override {
    if (key.size() != gcm_.key_size) {
      return false;
    }
    gcm_.expand(key.data(), key_->data());
    return true;
  }

  bool seal(const Nonce& nonce, Header header, std::string_view text, std::string_view following,
            char* out) override {
    char* const end = out + text.size() + following.size();
    gcm_context_data context;
    if (following.empty()) {
      gcm_.seal(key_->data(), &context, bytes_of(out), bytes_of(text.data()), text.size(),
                nonce.data(), bytes_of(header.data()), header.size(), bytes_of(end), kTag);
      return true;
    }
    gcm_.begin(key_->data(), &context, nonce.data(), bytes_of(header.data()), header.size());
    gcm_.seal_part(key_->data(), &context, bytes_of(out), bytes_of(text.data()), text.size());
    gcm_.seal_part(key_->data(), &context, bytes_of(out + text.size()), bytes_of(following.data()),
                   following.size());
    gcm_.seal_end(key_->data(), &context, bytes_of(end), kTag);
    return true;
  }

  bool open(const Nonce& nonce, Header header, std::string_view sealed, char* out) override {
    const std::size_t size = sealed.size() - kTag;
    // Out of the way before `out` may be written over it.
    std::array<std::uint8_t, kTag> theirs{};
    std::memcpy(theirs.data(), sealed.data() + size, kTag);
    std::array<std::uint8_t, kTag> tag{};
    gcm_context_data context;
    gcm_.open(key_->data(), &context, bytes_of(out), bytes_of(sealed.data()), size, nonce.data(),
              bytes_of(header.data()), header.size(), tag.data(), kTag);
    return CRYPTO_memcmp(tag.data(), theirs.data(), kTag) == 0;
  }

 private:
  const Gcm& gcm_;
  std::unique_ptr<WipedKey> key_;
};

const Gcm* gcm_of(RecordCipher::Suite suite) {
  switch (suite) {
    case RecordCipher::Suite::kAes128Gcm:
      return &library().aes128;
    case RecordCipher::Suite::kAes256Gcm:
      return &library().aes256;
    case RecordCipher::Suite::kChaCha20Poly1305:
      return nullptr;
  }
  return nullptr;
}

}  // namespace

std::unique_ptr<RecordCipher> ipsec_mb_record_cipher(RecordCipher::Suite suite,
                                                     std::span<const unsigned char> key) {
  const Gcm* const gcm = library().name.empty() ? nullptr : gcm_of(suite);
  std::unique_ptr<WipedKey> room(gcm != nullptr ? new (std::nothrow) WipedKey : nullptr);
  if (room == nullptr) {
    return nullptr;
  }
  std::unique_ptr<RecordCipher> made(new (std::nothrow) IpsecMbCipher(*gcm, std::move(room)));
  return made != nullptr && made->set_key(key) ? std::move(made) : nullptr;
}

const char* ipsec_mb_library() {
  return library().name.c_str();
}

}  // namespace headgate::net

#else

namespace headgate::net {

std::unique_ptr<RecordCipher> ipsec_mb_record_cipher(RecordCipher::Suite /*suite*/,
                                                     std::span<const unsigned char> /*key*/) {
  return nullptr;
}

const char* ipsec_mb_library() {
  return "";
}

}  // namespace headgate::net

#endif
