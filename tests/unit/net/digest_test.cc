#include "net/digest.h"

#include <gtest/gtest.h>

#include <string>

namespace headgate::net {
namespace {

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    const auto value = static_cast<unsigned char>(byte);
    text += kDigits[value >> 4];
    text += kDigits[value & 15];
  }
  return text;
}

TEST(Digest, GivesTheKnownAnswersOfItsStandard) {
  EXPECT_EQ(hex(hash(Digest::kSha1, "a", "bc").view()), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(hex(hash(Digest::kSha256, "abc", "").view()),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hash(Digest::kSha512, "", "").size(), 64U);
  // RFC 6070.
  EXPECT_EQ(hex(pbkdf2(Digest::kSha1, "password", "salt", 4096).view()),
            "4b007901b765489abead49d926f721d065a429c1");
  // RFC 4231 section 4.3.
  EXPECT_EQ(hex(hmac(Digest::kSha256, "Jefe", "what do ya want for nothing?").view()),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Digest, AKeyedHashDependsOnKeyPartsAndTheirBorders) {
  const Key key = random_key();
  EXPECT_NE(key, random_key());
  EXPECT_EQ(keyed_hash(key, {"ab", "c"}), keyed_hash(key, {"ab", "c"}));
  EXPECT_NE(keyed_hash(key, {"ab", "c"}), keyed_hash(key, {"a", "bc"}));
  EXPECT_NE(keyed_hash(key, {"ab", "c"}), keyed_hash(random_key(), {"ab", "c"}));
}

}  // namespace
}  // namespace headgate::net
