#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "net/digest.h"
#include "proof/scram_keys.h"

namespace headgate::proof {

// One stored password: a hash in any of many schemes, a password in the clear, or a lock that
// nothing opens.
class PasswordHash {
 public:
  // Accepts, as Dovecot writes them:
  //   crypt(3) strings beginning with '$' ($1$, $2b$, $5$, $6$, $y$, … : what libxcrypt knows); the
  //     same or traditional ones behind {CRYPT}, {SHA512-CRYPT}, {SHA256-CRYPT}, {BLF-CRYPT} or
  //     {MD5-CRYPT};
  //   $argon2i$… and $argon2id$…, alone or behind {ARGON2I} or {ARGON2ID}, of at most 1 GiB;
  //   {PBKDF2}$1$SALT$ROUNDS$HEX;
  //   {SSHA}, {SSHA256} and {SSHA512}, {SHA}, {SHA1}, {SHA256} and {SHA512} with base64, or hex
  //     behind a name that ends with .HEX;
  //   {SCRAM-SHA-256} and {SCRAM-SHA-1}, see ScramKeys::parse();
  //   {PLAIN} and {CLEARTEXT};
  //   '*' or what begins with '!' as locked.
  // The error says what was expected and never repeats the hash.
  static std::expected<PasswordHash, std::string> parse(std::string_view text);

  // Slow on purpose (milliseconds to seconds): for threads that may block. What it took of the
  // password is wiped. The comparison takes the same time wherever the difference is.
  [[nodiscard]] bool matches(const Secret& password) const;

  // Hashes of one cost class take the same time: scheme and cost parameters ("$2b$12$"). Empty:
  // no work (locked).
  [[nodiscard]] std::string_view cost_class() const { return cost_; }

  // What clients can be judged by that do not tell the password: null where it is stored in another
  // way. The first is the password itself.
  [[nodiscard]] const Secret* clear() const { return kind_ == Kind::kPlain ? &stored_ : nullptr; }
  [[nodiscard]] const ScramKeys* scram() const { return scram_.get(); }

  [[nodiscard]] PasswordHash clone() const;

 private:
  enum class Kind : std::uint8_t { kCrypt, kArgon2, kPbkdf2, kDigest, kScram, kPlain, kLocked };
  using Parsed = std::expected<PasswordHash, std::string>;

  static Parsed parse_crypt(std::string_view hash, std::string_view begin);
  static Parsed parse_argon2(std::string_view hash, std::string_view begin);
  static Parsed parse_pbkdf2(std::string_view hash);
  static Parsed parse_digest(std::string_view scheme, std::string_view hash);
  static Parsed parse_scram(net::Digest digest, std::string_view hash);
  static Parsed parse_scheme(std::string_view scheme, std::string_view hash);
  PasswordHash(Kind kind, Secret stored, std::string cost)
      : kind_(kind), stored_(std::move(stored)), cost_(std::move(cost)) {}

  bool matches_crypt(const Secret& password) const;
  bool matches_argon2(const Secret& password) const;

  Kind kind_ = Kind::kLocked;
  net::Digest digest_ = net::Digest::kSha1;  // kPbkdf2, kDigest
  unsigned rounds_ = 0;                      // kPbkdf2
  Secret stored_;                            // kCrypt, kArgon2: with a NUL behind
  Secret salt_;                              // kPbkdf2, kDigest
  std::shared_ptr<const ScramKeys> scram_;   // kScram
  std::string cost_;
};

}  // namespace headgate::proof
