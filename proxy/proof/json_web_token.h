#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "net/signature.h"

// JSON Web Tokens that are signed (RFC 7515, 7517, 7519), as far as a login needs them. JSON is
// nlohmann's library's job and the signature OpenSSL's; no JWT library does what is left better:
// libjwt of Debian 12 (1.10) knows neither key sets nor Ed25519 and has another interface than that
// of Debian 13, libcjose knows no Ed25519, and both would bring HMAC and "none" along, which must
// not be there.
namespace headgate::proof {

// A token taken apart; nothing in it may be believed before its signature is good.
struct JsonWebToken {
  static constexpr std::size_t kLargest = 16384;

  net::SignatureAlgorithm algorithm = net::SignatureAlgorithm::kRs256;
  std::string key_id;  // empty: it names none
  Secret signed_text;
  std::string signature;
  Secret payload;  // JSON

  // Whether it has the form of one: three parts with dots between.
  static bool is_one(std::string_view token);
  // The error says what is wrong, and quotes at most the name of the algorithm.
  static std::expected<JsonWebToken, std::string> parse(std::string_view token);
};

// The public keys of an issuer (RFC 7517, 5).
class JsonWebKeySet {
 public:
  static constexpr std::size_t kLargest = std::size_t{256} * 1024;
  static constexpr std::size_t kMostKeys = 64;

  // Keys that no signature of ours is checked with (for encryption, of another kind, secret ones)
  // are passed over, as RFC 7517 wants it. A set without any other is an error.
  static std::expected<JsonWebKeySet, std::string> parse(std::string_view json);

  enum class Verdict {
    kGood,
    kBad,         // the key that it names did not sign it
    kUnknownKey,  // nor did any that might have: a newer set may have the one
  };
  [[nodiscard]] Verdict verify(const JsonWebToken& token) const;
  [[nodiscard]] std::size_t size() const { return keys_.size(); }

 private:
  struct Key {
    std::string id;         // empty: none
    std::string algorithm;  // empty: any that fits
    net::VerificationKey key;
  };
  std::vector<Key> keys_;
};

}  // namespace headgate::proof
