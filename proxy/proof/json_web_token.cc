#include "proof/json_web_token.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/ascii.h"
#include "base/base64.h"
#include "base/printable.h"

namespace headgate::proof {
namespace {

using nlohmann::json;

// A token that names no key is tried with so many of those that fit.
constexpr int kMostTries = 8;

// The string of this name; empty where there is none, or no string.
std::string text_of(const json& object, std::string_view name) {
  const auto found = object.find(name);
  const auto* text = found != object.end() ? found->get_ptr<const std::string*>() : nullptr;
  return text != nullptr ? *text : std::string();
}

// Bytes of a member in base64url; nullopt where there are none.
std::optional<Secret> bytes_of(const json& object, std::string_view name) {
  const std::string text = text_of(object, name);
  return text.empty() ? std::nullopt : base64url_decode(text);
}

// What a token of another purpose says it is, so that it is not taken for one that lets in
// (RFC 8725, 3.11).
bool is_access_token(const json& header) {
  std::string type = lower_case(text_of(header, "typ"));
  if (type.starts_with("application/")) {
    type.erase(0, std::string_view("application/").size());
  }
  return type == "jwt" || type == "at+jwt" || !header.contains("typ");
}

// Whether the key is there for checking signatures.
bool is_for_signatures(const json& key) {
  if (key.contains("use")) {
    return text_of(key, "use") == "sig";
  }
  const auto operations = key.find("key_ops");
  return operations == key.end() ||
         (operations->is_array() &&
          std::ranges::find(*operations, json("verify")) != operations->end());
}

std::optional<net::VerificationKey> key_of(const json& object) {
  const std::string kind = text_of(object, "kty");
  const auto x = bytes_of(object, "x");
  const auto y = bytes_of(object, "y");
  const auto n = bytes_of(object, "n");
  const auto e = bytes_of(object, "e");
  std::expected<net::VerificationKey, std::string> key = std::unexpected("of another kind");
  if (kind == "RSA" && n && e) {
    key = net::VerificationKey::rsa(n->view(), e->view());
  } else if (kind == "EC" && x && y) {
    key = net::VerificationKey::ec(text_of(object, "crv"), x->view(), y->view());
  } else if (kind == "OKP" && text_of(object, "crv") == "Ed25519" && x) {
    key = net::VerificationKey::ed25519(x->view());
  }
  return key ? std::optional(*std::move(key)) : std::nullopt;
}

}  // namespace

bool JsonWebToken::is_one(std::string_view token) {
  return std::ranges::count(token, '.') == 2;
}

std::expected<JsonWebToken, std::string> JsonWebToken::parse(std::string_view token) {
  if (!is_one(token) || token.size() > kLargest) {
    return std::unexpected("expected a signed token of at most 16384 bytes");
  }
  const std::size_t first = token.find('.');
  const std::size_t second = token.find('.', first + 1);
  const auto header_text = base64url_decode(token.substr(0, first));
  auto payload = base64url_decode(token.substr(first + 1, second - first - 1));
  const auto signature = base64url_decode(token.substr(second + 1));
  if (!header_text || !payload || !signature) {
    return std::unexpected("expected three parts in base64url");
  }
  const json header = json::parse(header_text->view(), nullptr, false);
  if (!header.is_object()) {
    return std::unexpected("expected a JSON object as the token's header");
  }
  const std::string name = text_of(header, "alg");
  const auto algorithm = net::signature_algorithm(name);
  if (!algorithm) {
    return std::unexpected(
        fmt::format("expected a token that is signed with a public-key algorithm,"
                    " found '{}'",
                    printable(name, 32)));
  }
  if (header.contains("crit") || !is_access_token(header)) {
    return std::unexpected("expected a token for access, without critical extensions");
  }
  JsonWebToken parsed;
  parsed.algorithm = *algorithm;
  parsed.key_id = text_of(header, "kid");
  parsed.signed_text = Secret(token.substr(0, second));
  parsed.signature = signature->view();
  parsed.payload = *std::move(payload);
  return parsed;
}

std::expected<JsonWebKeySet, std::string> JsonWebKeySet::parse(std::string_view text) {
  const json whole = text.size() <= kLargest ? json::parse(text, nullptr, false) : json();
  const auto list = whole.is_object() ? whole.find("keys") : whole.end();
  if (!whole.is_object() || list == whole.end() || !list->is_array()) {
    return std::unexpected("expected a JSON Web Key Set: an object with a list `keys`");
  }
  JsonWebKeySet set;
  for (const json& object : *list) {
    if (!object.is_object() || !is_for_signatures(object)) {
      continue;
    }
    const std::string algorithm = text_of(object, "alg");
    const auto only = net::signature_algorithm(algorithm);
    auto key = key_of(object);
    if (key && (algorithm.empty() || (only && key->fits(*only)))) {
      set.keys_.push_back({text_of(object, "kid"), algorithm, *std::move(key)});
    }
  }
  if (set.keys_.empty() || set.keys_.size() > kMostKeys) {
    return std::unexpected(
        fmt::format("expected 1 to {} public keys for signatures (RSA of 2048 bits or more, EC, "
                    "Ed25519), found {}",
                    kMostKeys, set.keys_.size()));
  }
  return set;
}

JsonWebKeySet::Verdict JsonWebKeySet::verify(const JsonWebToken& token) const {
  Verdict verdict = Verdict::kUnknownKey;
  int tries = 0;
  for (const Key& key : keys_) {
    const bool named = !token.key_id.empty() && key.id == token.key_id;
    const bool possible = named || token.key_id.empty() || key.id.empty();
    const auto only = net::signature_algorithm(key.algorithm);
    if (!possible || !key.key.fits(token.algorithm) || (only && *only != token.algorithm)) {
      continue;
    }
    if (!named && ++tries > kMostTries) {
      continue;
    }
    if (key.key.verify(token.algorithm, token.signed_text.view(), token.signature)) {
      return Verdict::kGood;
    }
    verdict = named ? Verdict::kBad : verdict;
  }
  return verdict;
}

}  // namespace headgate::proof
