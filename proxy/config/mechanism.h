#pragma once

#include <cstdint>

namespace headgate::config {

// SASL mechanisms that clients may be offered.
enum class Mechanism : std::uint8_t {
  kPlain,
  kLogin,
  kXoauth2,
  kOauthbearer,
  kScramSha256Plus,
  kScramSha1Plus,
  kScramSha256,
  kScramSha1,
  kCramMd5,
  kDigestMd5,
  kGssapi,
  kGssSpnego,
  kExternal,
};

}  // namespace headgate::config
