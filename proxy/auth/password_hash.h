#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "base/secret.h"

namespace headgate::auth {

// One stored password: a crypt(3) string, a password in the clear, or a lock that nothing opens.
class PasswordHash {
 public:
  // Accepts crypt(3) strings beginning with '$' ($1$, $2b$, $5$, $6$, $y$, … : what libxcrypt
  // knows), the same or traditional ones behind {CRYPT}, {SHA512-CRYPT}, {SHA256-CRYPT},
  // {BLF-CRYPT} or {MD5-CRYPT}, {PLAIN} and {CLEARTEXT}, and '*' or what begins with '!' as locked.
  // The error says what was expected and never repeats the hash.
  static std::expected<PasswordHash, std::string> parse(std::string_view text);

  // Slow on purpose (milliseconds to seconds): for the thread pool. What it took of the password
  // is wiped. The comparison takes the same time wherever the difference is.
  [[nodiscard]] bool matches(const Secret& password) const;

  // Hashes of one cost class take the same time: scheme and cost parameters ("$2b$12$"). Empty:
  // no work (locked).
  [[nodiscard]] std::string_view cost_class() const;

  [[nodiscard]] PasswordHash clone() const { return {kind_, stored_.clone()}; }

 private:
  enum class Kind : std::uint8_t { kCrypt, kPlain, kLocked };
  PasswordHash(Kind kind, Secret stored) : kind_(kind), stored_(std::move(stored)) {}

  Kind kind_ = Kind::kLocked;
  Secret stored_;
};

}  // namespace headgate::auth
