#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

// Signatures as JSON Web Tokens have them (RFC 7518 section 3, RFC 8037), by OpenSSL. Only those
// that are checked with a public key: there is no "none" here and no HMAC, so no key can be taken
// for a shared secret.
namespace headgate::net {

enum class SignatureAlgorithm : std::uint8_t {
  kRs256,
  kRs384,
  kRs512,
  kPs256,
  kPs384,
  kPs512,
  kEs256,
  kEs384,
  kEs512,
  kEdDsa,  // with Ed25519
};

// "RS256"; nullopt for every other word.
std::optional<SignatureAlgorithm> signature_algorithm(std::string_view name);

// A public key; one object may be used on any thread.
class VerificationKey {
 public:
  // Numbers are big-endian, as a JSON Web Key has them. The errors say what is wrong with the key.
  // RSA: 2048 to 8192 bits.
  static std::expected<VerificationKey, std::string> rsa(std::string_view modulus,
                                                         std::string_view exponent);
  // `curve` is "P-256", "P-384" or "P-521". Coordinates may lack their leading zeros: RFC 7518
  // (6.2.1.2) forbids that, issuers do it all the same, with one key of 128.
  static std::expected<VerificationKey, std::string> ec(std::string_view curve, std::string_view x,
                                                        std::string_view y);
  static std::expected<VerificationKey, std::string> ed25519(std::string_view key);

  // Whether this kind of key makes signatures of that kind.
  [[nodiscard]] bool fits(SignatureAlgorithm algorithm) const;
  // False also for an algorithm that does not fit.
  [[nodiscard]] bool verify(SignatureAlgorithm algorithm, std::string_view message,
                            std::string_view signature) const;

 private:
  enum class Kind : std::uint8_t { kRsa, kP256, kP384, kP521, kEd25519 };
  VerificationKey(Kind kind, std::shared_ptr<EVP_PKEY> key) : kind_(kind), key_(std::move(key)) {}

  Kind kind_;
  std::shared_ptr<EVP_PKEY> key_;
};

}  // namespace headgate::net
