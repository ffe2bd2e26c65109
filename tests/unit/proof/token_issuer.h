#pragma once

// An issuer of JSON Web Tokens for tests: keys, key sets and tokens, made of OpenSSL and text.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "../net/signing_key.h"
#include "base/base64.h"

namespace headgate::proof::test {

using net::test::SigningKey;

inline std::string base64url(std::string_view bytes) {
  std::string text = base64_encode(bytes);
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  text.erase(std::min(text.find('='), text.size()));
  return text;
}

inline std::int64_t now_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// The keys of all tests of a program: RSA takes a while to make.
inline const SigningKey& rsa_key() {
  static const SigningKey key = SigningKey::rsa();
  return key;
}
inline const SigningKey& ec_key() {
  static const SigningKey key = SigningKey::ec("P-256");
  return key;
}

// JSON Web Keys; `more` is further members, each with a comma in front.
inline std::string rsa_jwk(const SigningKey& key, const std::string& id,
                           const std::string& more = "") {
  return R"({"kty":"RSA","kid":")" + id + R"(","n":")" + base64url(key.modulus()) + R"(","e":")" +
         base64url(key.exponent()) + "\"" + more + "}";
}
inline std::string ec_jwk(const SigningKey& key, const std::string& id,
                          const std::string& more = "") {
  return R"({"kty":"EC","crv":"P-256","kid":")" + id + R"(","x":")" + base64url(key.x()) +
         R"(","y":")" + base64url(key.y()) + "\"" + more + "}";
}
inline std::string key_set(const std::string& keys) {
  return R"({"keys":[)" + keys + "]}";
}

// A signed token of this header and payload, both JSON.
inline std::string signed_token(const std::string& header, const std::string& payload,
                                const SigningKey& key, const char* digest = "SHA256",
                                bool pss = false) {
  const std::string text = base64url(header) + "." + base64url(payload);
  return text + "." + base64url(key.sign(digest, pss, text));
}

// A payload that is good for an hour: what the tests' rules want.
inline std::string good_payload(const std::string& user = "alice@example.org") {
  return R"({"iss":"https://issuer.example","aud":"imap","email":")" + user + R"(","exp":)" +
         std::to_string(now_s() + 3600) + "}";
}
inline std::string rsa_token(const std::string& id, const std::string& payload = good_payload()) {
  return signed_token(R"({"alg":"RS256","kid":")" + id + "\"}", payload, rsa_key());
}
inline std::string ec_token(const std::string& id, const std::string& payload = good_payload()) {
  return signed_token(R"({"alg":"ES256","kid":")" + id + "\"}", payload, ec_key());
}

}  // namespace headgate::proof::test
