#include "base/base64.h"

#include <array>
#include <cstdint>

namespace headgate {

namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kInvalid = 0xff;

constexpr std::array<std::uint8_t, 256> make_values() {
  std::array<std::uint8_t, 256> values{};
  values.fill(kInvalid);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<std::uint8_t>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}
constexpr std::array<std::uint8_t, 256> kValues = make_values();

constexpr std::uint32_t byte_at(std::string_view bytes, std::size_t i) {
  return static_cast<std::uint8_t>(bytes[i]);
}
constexpr std::uint32_t value_at(std::string_view text, std::size_t i) {
  return kValues[static_cast<std::uint8_t>(text[i])];
}

std::array<char, 4> encode_group(std::uint32_t bits) {
  return {kAlphabet[bits >> 18 & 63], kAlphabet[bits >> 12 & 63], kAlphabet[bits >> 6 & 63],
          kAlphabet[bits & 63]};
}

// Gives each group of four characters to `append`.
template <typename Append>
void encode(std::string_view bytes, Append append) {
  std::array<char, 4> group{};
  std::size_t i = 0;
  for (; bytes.size() - i >= 3; i += 3) {
    group =
        encode_group(byte_at(bytes, i) << 16 | byte_at(bytes, i + 1) << 8 | byte_at(bytes, i + 2));
    append(std::string_view(group.data(), group.size()));
  }
  if (i < bytes.size()) {
    const bool two = bytes.size() - i == 2;
    group = encode_group(byte_at(bytes, i) << 16 | (two ? byte_at(bytes, i + 1) << 8 : 0));
    group[3] = '=';
    if (!two) {
      group[2] = '=';
    }
    append(std::string_view(group.data(), group.size()));
  }
  wipe(group.data(), group.size());
}

}  // namespace

std::string base64_encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  encode(bytes, [&](std::string_view group) { out.append(group); });
  return out;
}

void base64_encode(std::string_view bytes, Secret& out) {
  encode(bytes, [&](std::string_view group) { out.append(group); });
}

std::optional<Secret> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) {
    return std::nullopt;
  }
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  const std::size_t full = padding == 0 ? text.size() : text.size() - 4;
  Secret out;
  std::array<char, 3> group{};
  std::uint32_t bad = 0;  // one look at the end instead of four branches a group
  const auto put = [&](std::uint32_t bits, std::size_t count) {
    group = {static_cast<char>(bits >> 16), static_cast<char>(bits >> 8), static_cast<char>(bits)};
    out.append(std::string_view(group.data(), count));
  };
  for (std::size_t i = 0; i < full; i += 4) {
    const std::uint32_t a = value_at(text, i), b = value_at(text, i + 1), c = value_at(text, i + 2),
                        d = value_at(text, i + 3);
    bad |= a | b | c | d;
    put(a << 18 | b << 12 | c << 6 | d, 3);
  }
  if (padding != 0) {
    const std::uint32_t a = value_at(text, full), b = value_at(text, full + 1);
    const std::uint32_t c = padding == 1 ? value_at(text, full + 2) : 0;
    const bool unused_bits = padding == 1 ? (c & 3) != 0 : (b & 15) != 0;
    bad |= a | b | c | (unused_bits ? kInvalid : 0);
    put(a << 18 | b << 12 | c << 6, 3 - padding);
  }
  wipe(group.data(), group.size());
  if ((bad & 0xc0) != 0) {
    return std::nullopt;
  }
  return out;
}

std::optional<Secret> base64url_decode(std::string_view text) {
  if (text.find_first_of("+/=") != text.npos) {
    return std::nullopt;
  }
  Secret usual;
  for (const char c : text) {
    usual.append(c == '-' ? '+' : c == '_' ? '/' : c);
  }
  while (usual.size() % 4 != 0) {
    usual.append('=');
  }
  return base64_decode(usual.view());
}

}  // namespace headgate
