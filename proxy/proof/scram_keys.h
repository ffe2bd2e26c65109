#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "net/digest.h"

namespace headgate::proof {

// "SCRAM-SHA-256" or "SCRAM-SHA-1".
std::string_view scram_name(net::Digest digest);

// What SCRAM (RFC 5802, RFC 7677) keeps of a password: enough to judge who claims to know it, too
// little to log in with elsewhere. All but the first two are bytes, not base64.
struct ScramKeys {
  static constexpr unsigned kFewestIterations = 4096;  // RFC 7677 section 4
  static constexpr unsigned kMostIterations = 10'000'000;
  static constexpr std::size_t kLongestSalt = 256;

  net::Digest digest = net::Digest::kSha256;  // kSha256 or kSha1
  unsigned iterations = kFewestIterations;
  Secret salt;
  Secret stored_key;
  Secret server_key;

  // "ITERATIONS,SALT,STOREDKEY,SERVERKEY" with base64, as `doveadm pw -s SCRAM-SHA-256` and
  // `gsasl --mkpasswd` write it behind the scheme. The error says what was found.
  static std::expected<ScramKeys, std::string> parse(net::Digest digest, std::string_view text);

  // Slow on purpose: for threads that may block. A password that cannot be prepared by SASLprep is
  // taken as it is.
  static ScramKeys derive(net::Digest digest, const Secret& password, std::string_view salt,
                          unsigned iterations);
  // Likewise slow.
  [[nodiscard]] bool matches(const Secret& password) const;
};

}  // namespace headgate::proof
