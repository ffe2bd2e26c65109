#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "base/secret.h"

// The few functions of OpenSSL's libcrypto that other rooms need.
namespace headgate::net {

using Key = std::array<unsigned char, 32>;

// From the system's generator; ends the process where that fails, which leaves nothing to go on.
Key random_key();

// HMAC-SHA-256 (RFC 2104) over the parts, each behind its length, so that ("ab", "c") and
// ("a", "bc") differ.
Key keyed_hash(const Key& key, std::initializer_list<std::string_view> parts);

enum class Digest : std::uint8_t { kSha1, kSha256, kSha512 };
std::size_t size(Digest digest);  // bytes of the result

// The digest of `first` and `second` one behind the other.
Secret hash(Digest digest, std::string_view first, std::string_view second);

// HMAC (RFC 2104).
Secret hmac(Digest digest, std::string_view key, std::string_view message);

// PBKDF2 (RFC 8018) with HMAC of `digest`; as many bytes as the digest has. `rounds` at least 1.
Secret pbkdf2(Digest digest, std::string_view password, std::string_view salt, unsigned rounds);

}  // namespace headgate::net
