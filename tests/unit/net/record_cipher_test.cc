#include "net/record_cipher.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace headgate::net {
namespace {

using Suite = RecordCipher::Suite;
using Use = RecordCipher::Use;

std::vector<unsigned char> key_of(Suite suite) {
  std::vector<unsigned char> key(suite == Suite::kAes128Gcm ? 16 : 32);
  for (std::size_t i = 0; i < key.size(); ++i) {
    key[i] = static_cast<unsigned char>(7 * i + 1);
  }
  return key;
}

std::string text_of(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) {
    text[i] = static_cast<char>(31 * i + (i >> 8));
  }
  return text;
}

constexpr RecordCipher::Nonce kNonce{9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 11, 12};
constexpr std::array<char, 5> kHeader{23, 3, 3, 1, 2};

std::string sealed(RecordCipher& cipher, const std::string& text, std::string_view following = {}) {
  std::string out(text.size() + following.size() + RecordCipher::kTag, '\0');
  EXPECT_TRUE(cipher.seal(kNonce, kHeader, text, following, out.data()));
  return out;
}

std::string opened(RecordCipher& cipher, const std::string& record) {
  std::string out(record.size() - RecordCipher::kTag, '\0');
  return cipher.open(kNonce, kHeader, record, out.data()) ? out : "refused";
}

class RecordCipherOf : public testing::TestWithParam<Suite> {
 protected:
  std::vector<unsigned char> key_ = key_of(GetParam());
  std::unique_ptr<RecordCipher> sealing_ = openssl_record_cipher(GetParam(), Use::kSeal, key_);
  std::unique_ptr<RecordCipher> opening_ = openssl_record_cipher(GetParam(), Use::kOpen, key_);
};

INSTANTIATE_TEST_SUITE_P(AllSuites, RecordCipherOf,
                         testing::Values(Suite::kAes128Gcm, Suite::kAes256Gcm,
                                         Suite::kChaCha20Poly1305));

// Whichever library create() takes here: its bytes are OpenSSL's.
TEST_P(RecordCipherOf, MakesAndReadsTheBytesOfOpenSsl) {
  const auto seals = RecordCipher::create(GetParam(), Use::kSeal, key_);
  const auto opens = RecordCipher::create(GetParam(), Use::kOpen, key_);
  ASSERT_TRUE(seals && opens && sealing_ && opening_);
  for (const std::size_t size : {1U, 15U, 16U, 17U, 100U, 4096U, 16384U}) {
    const std::string text = text_of(size);
    const std::string record = sealed(*seals, text);
    ASSERT_TRUE(record == sealed(*sealing_, text)) << size;
    ASSERT_TRUE(opened(*opening_, record) == text) << size;
    ASSERT_TRUE(opened(*opens, record) == text) << size;
  }
}

TEST_P(RecordCipherOf, AChangedBitOfRecordHeaderOrNonceIsRefused) {
  const auto cipher = RecordCipher::create(GetParam(), Use::kOpen, key_);
  ASSERT_NE(cipher, nullptr);
  const std::string record = sealed(*sealing_, text_of(40));
  for (std::size_t bit = 0; bit < record.size() * 8; ++bit) {
    std::string changed = record;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
    ASSERT_EQ(opened(*cipher, changed), "refused") << bit;
  }
  std::string out(40, '\0');
  auto header = kHeader;
  header[4] = 3;
  EXPECT_FALSE(cipher->open(kNonce, header, record, out.data()));
  auto nonce = kNonce;
  nonce[11] = 13;
  EXPECT_FALSE(cipher->open(nonce, kHeader, record, out.data()));
  EXPECT_TRUE(cipher->open(kNonce, kHeader, record, out.data()));
}

TEST_P(RecordCipherOf, OpensAndSealsInPlace) {
  const auto seals = RecordCipher::create(GetParam(), Use::kSeal, key_);
  const auto opens = RecordCipher::create(GetParam(), Use::kOpen, key_);
  ASSERT_TRUE(seals && opens);
  const std::string text = text_of(1000);
  std::string record = text + std::string(RecordCipher::kTag, '\0');
  ASSERT_TRUE(seals->seal(kNonce, kHeader, {record.data(), text.size()}, {}, record.data()));
  ASSERT_TRUE(record == sealed(*sealing_, text));
  ASSERT_TRUE(opens->open(kNonce, kHeader, record, record.data()));
  EXPECT_TRUE(record.substr(0, text.size()) == text);
}

TEST_P(RecordCipherOf, AnotherKeyFromNowOn) {
  const auto cipher = RecordCipher::create(GetParam(), Use::kSeal, key_);
  ASSERT_NE(cipher, nullptr);
  auto next = key_;
  next[0] ^= 1;
  ASSERT_TRUE(cipher->set_key(next) && sealing_->set_key(next));
  EXPECT_TRUE(sealed(*cipher, "text") == sealed(*sealing_, "text"));
  EXPECT_EQ(opened(*opening_, sealed(*cipher, "text")), "refused");
  next.pop_back();
  EXPECT_FALSE(cipher->set_key(next));
}

TEST_P(RecordCipherOf, NoKeyOfAnotherSize) {
  key_.push_back(0);
  EXPECT_EQ(RecordCipher::create(GetParam(), Use::kSeal, key_), nullptr);
  EXPECT_EQ(openssl_record_cipher(GetParam(), Use::kOpen, key_), nullptr);
  EXPECT_EQ(ipsec_mb_record_cipher(GetParam(), key_), nullptr);
}

TEST(RecordCipher, NoSuiteThatIsNotKnown) {
  EXPECT_EQ(RecordCipher::create(Suite{0x1304}, Use::kSeal, key_of(Suite::kAes128Gcm)), nullptr);
}

#ifdef HEADGATE_IPSEC_MB
// Every length up to some blocks and around the steps of its code, with and without a second part.
TEST(RecordCipher, IpsecMbMakesTheBytesOfOpenSslFromNothingToAFullRecord) {
  for (const Suite suite : {Suite::kAes128Gcm, Suite::kAes256Gcm}) {
    const auto key = key_of(suite);
    const auto ours = ipsec_mb_record_cipher(suite, key);
    const auto theirs = openssl_record_cipher(suite, Use::kSeal, key);
    ASSERT_TRUE(ours && theirs);
    const auto agree = [&](std::size_t size) {
      const std::string text = text_of(size);
      const std::string record = sealed(*theirs, text, "e");
      return sealed(*ours, text, "e") == record && sealed(*ours, text + "e") == record &&
             opened(*ours, record) == text + "e";
    };
    for (std::size_t size = 0; size < 1200; ++size) {
      ASSERT_TRUE(agree(size)) << size;
    }
    for (std::size_t size = 16'384 - 260; size <= 16'384; ++size) {
      ASSERT_TRUE(agree(size)) << size;
    }
  }
}

TEST(RecordCipher, TellsWhatItUses) {
  const std::string used = record_cipher_library();
  EXPECT_EQ(std::string(ipsec_mb_library()).substr(0, 9), "ipsec-mb ");
  EXPECT_TRUE(used == "OpenSSL" || used == ipsec_mb_library()) << used;
  EXPECT_EQ(ipsec_mb_record_cipher(Suite::kChaCha20Poly1305, key_of(Suite::kChaCha20Poly1305)),
            nullptr);
}
#endif

}  // namespace
}  // namespace headgate::net
