#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace headgate::balance {

// SipHash-2-4 (Aumasson and Bernstein, 2012) with the key 00 01 … 0f of its reference vectors, over
// bytes as they are, or with their ASCII letters made lower case on the way in.
class SipHash {
 public:
  static std::uint64_t of_lower_case(std::string_view text) { return hash(text, lower); }
  static std::uint64_t of(std::string_view bytes) {
    return hash(bytes, [](char byte) { return static_cast<std::uint8_t>(byte); });
  }

 private:
  static std::uint64_t hash(std::string_view text, auto convert) {
    SipHash hash;
    std::uint64_t word = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
      word |= static_cast<std::uint64_t>(convert(text[at])) << (8 * (at % 8));
      if (at % 8 == 7) {
        hash.take(word);
        word = 0;
      }
    }
    hash.take(word | static_cast<std::uint64_t>(text.size() & 0xFF) << 56);
    return hash.finish();
  }
  static std::uint8_t lower(char byte) {
    const auto value = static_cast<std::uint8_t>(byte);
    return value >= 'A' && value <= 'Z' ? static_cast<std::uint8_t>(value + ('a' - 'A')) : value;
  }

  void round() {
    v0_ += v1_;
    v2_ += v3_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ = std::rotl(v0_, 32);
    v2_ += v1_;
    v0_ += v3_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ = std::rotl(v2_, 32);
  }
  void take(std::uint64_t word) {
    v3_ ^= word;
    round();
    round();
    v0_ ^= word;
  }
  std::uint64_t finish() {
    v2_ ^= 0xFF;
    for (int i = 0; i < 4; ++i) {
      round();
    }
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

  static constexpr std::uint64_t kKey0 = 0x0706050403020100;
  static constexpr std::uint64_t kKey1 = 0x0f0e0d0c0b0a0908;
  std::uint64_t v0_ = kKey0 ^ 0x736f6d6570736575;
  std::uint64_t v1_ = kKey1 ^ 0x646f72616e646f6d;
  std::uint64_t v2_ = kKey0 ^ 0x6c7967656e657261;
  std::uint64_t v3_ = kKey1 ^ 0x7465646279746573;
};

}  // namespace headgate::balance
