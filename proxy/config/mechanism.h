#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace headgate::config {

// A SASL mechanism that clients may be offered.
struct Mechanism {
  enum Kind : std::uint8_t {
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
    kOther,  // one that is known by its name alone, and that an auth service may have
  };

  Mechanism() = default;
  Mechanism(Kind known) : kind(known) {}  // NOLINT(google-explicit-constructor)
  explicit Mechanism(std::string name) : kind(kOther), other(std::move(name)) {}
  bool operator==(const Mechanism&) const = default;

  Kind kind = kPlain;
  std::string other;  // kOther: its name
};

}  // namespace headgate::config
