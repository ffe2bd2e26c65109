#include "common/message.h"

#include <cstring>
#include <string>

namespace headgate::bench {
namespace {

// A prime: no power of two of a proxy's buffers divides it, so a buffer delivered twice shows.
constexpr std::size_t kPeriod = 1'048'573;
constexpr std::size_t kLineLength = 78;

std::string make_pattern() {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string pattern(kPeriod, '\0');
  std::uint64_t state = 0x9e3779b97f4a7c15;
  for (std::size_t i = 0; i < kPeriod; ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    const std::size_t column = i % kLineLength;
    pattern[i] = column == kLineLength - 2   ? '\r'
                 : column == kLineLength - 1 ? '\n'
                                             : kAlphabet[state >> 58];
  }
  return pattern;
}

const std::string& pattern() {
  static const std::string bytes = make_pattern();
  return bytes;
}

}  // namespace

Message::Message(std::string_view user) {
  std::uint64_t number = 0;
  for (const char letter : user) {
    if (letter >= '0' && letter <= '9') {
      number = number * 10 + static_cast<std::uint64_t>(letter - '0');
    }
  }
  start_ = static_cast<std::size_t>(number * 7919 % kPeriod);
}

std::string_view Message::at(std::uint64_t offset, std::size_t limit) const {
  const auto place = static_cast<std::size_t>((start_ + offset) % kPeriod);
  return std::string_view(pattern()).substr(place, limit);
}

bool Message::matches(std::uint64_t offset, std::string_view bytes) const {
  while (!bytes.empty()) {
    const std::string_view expected = at(offset, bytes.size());
    if (std::memcmp(expected.data(), bytes.data(), expected.size()) != 0) {
      return false;
    }
    offset += expected.size();
    bytes.remove_prefix(expected.size());
  }
  return true;
}

}  // namespace headgate::bench
