#include "net/record_cipher.h"

#include <chrono>
#include <string>

#include "net/shortest.h"

namespace headgate::net {
namespace {

using Suite = RecordCipher::Suite;

// Between the few bytes of an answer and the 16 KiB of bulk.
constexpr std::size_t kMeasured = 1024;

std::string sealed_by(RecordCipher* cipher, const std::string& text) {
  std::string out(text.size() + 1 + RecordCipher::kTag, '\0');
  const RecordCipher::Nonce nonce{1, 2, 3};
  const std::array<char, 5> header{23, 3, 3, 4, 17};
  const bool done = cipher != nullptr && cipher->seal(nonce, header, text, "e", out.data());
  return done ? out : std::string();
}

// Sealed by both, the same text is the same bytes.
bool ipsec_mb_agrees(Suite suite, std::span<const unsigned char> key, const std::string& text) {
  const std::string expected =
      sealed_by(openssl_record_cipher(suite, RecordCipher::Use::kSeal, key).get(), text);
  return !expected.empty() && sealed_by(ipsec_mb_record_cipher(suite, key).get(), text) == expected;
}

bool ipsec_mb_is_better() {
  const std::array<unsigned char, 32> key{1};
  const auto short_key = std::span(key).first<16>();
  const std::string text(kMeasured, 't');
  if (!ipsec_mb_agrees(Suite::kAes128Gcm, short_key, text) ||
      !ipsec_mb_agrees(Suite::kAes256Gcm, key, text)) {
    return false;
  }
  const auto time_of = [&](const std::unique_ptr<RecordCipher>& cipher) {
    return shortest([&] { return !sealed_by(cipher.get(), text).empty(); });
  };
  return time_of(ipsec_mb_record_cipher(Suite::kAes128Gcm, short_key)) <
         time_of(openssl_record_cipher(Suite::kAes128Gcm, RecordCipher::Use::kSeal, short_key));
}

bool uses_ipsec_mb() {
  static const bool better = ipsec_mb_is_better();
  return better;
}

}  // namespace

std::unique_ptr<RecordCipher> RecordCipher::create(Suite suite, Use use,
                                                   std::span<const unsigned char> key) {
  if (uses_ipsec_mb() && suite != Suite::kChaCha20Poly1305) {
    return ipsec_mb_record_cipher(suite, key);
  }
  return openssl_record_cipher(suite, use, key);
}

const char* record_cipher_library() {
  return uses_ipsec_mb() ? ipsec_mb_library() : "OpenSSL";
}

}  // namespace headgate::net
