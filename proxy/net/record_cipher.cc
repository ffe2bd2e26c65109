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

bool ipsec_mb_is_better() {
  const std::array<unsigned char, 16> key{1};
  const auto ours = ipsec_mb_record_cipher(Suite::kAes128Gcm, key);
  const auto plain = openssl_record_cipher(Suite::kAes128Gcm, RecordCipher::Use::kSeal, key);
  const std::string text(kMeasured, 't');
  const std::string expected = sealed_by(plain.get(), text);
  if (ours == nullptr || expected.empty() || sealed_by(ours.get(), text) != expected) {
    return false;
  }
  const auto time_of = [&](RecordCipher* cipher) {
    return shortest([&] { return !sealed_by(cipher, text).empty(); });
  };
  const auto needed = time_of(ours.get());
  return needed.count() != 0 && needed < time_of(plain.get());
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
