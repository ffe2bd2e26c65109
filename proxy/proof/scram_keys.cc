#include "proof/scram_keys.h"

#include <gsasl.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "base/base64.h"

namespace headgate::proof {
namespace {

// As SASLprep (RFC 4013) has it; nullopt: it holds what SASLprep does not allow.
std::optional<Secret> prepared(const Secret& password) {
  Secret text = password.clone();
  text.append('\0');
  char* out = nullptr;
  if (password.view().contains('\0') ||
      ::gsasl_saslprep(text.view().data(), GSASL_ALLOW_UNASSIGNED, &out, nullptr) != GSASL_OK) {
    return std::nullopt;
  }
  const std::string_view form(out);
  Secret result(form);
  wipe(out, form.size());
  ::gsasl_free(out);
  return result;
}

std::string_view take_scram_field(std::string_view& text) {
  const std::size_t end = std::min(text.find(','), text.size());
  const std::string_view field = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return field;
}

}  // namespace

std::string_view scram_name(net::Digest digest) {
  return digest == net::Digest::kSha1 ? "SCRAM-SHA-1" : "SCRAM-SHA-256";
}

std::expected<ScramKeys, std::string> ScramKeys::parse(net::Digest digest, std::string_view text) {
  unsigned iterations = 0;
  const std::string_view count = take_scram_field(text);
  const char* end = count.data() + count.size();
  const auto [stop, error] = std::from_chars(count.data(), end, iterations);
  if (error != std::errc{} || stop != end || iterations < kFewestIterations ||
      iterations > kMostIterations) {
    return std::unexpected("SCRAM keys without 4096 to 10000000 iterations");
  }
  auto salt = base64_decode(take_scram_field(text));
  auto stored_key = base64_decode(take_scram_field(text));
  auto server_key = base64_decode(text);
  const std::size_t length = net::size(digest);
  if (!salt || salt->empty() || salt->size() > kLongestSalt || !stored_key ||
      stored_key->size() != length || !server_key || server_key->size() != length) {
    return std::unexpected("SCRAM keys that are not ITERATIONS,SALT,STOREDKEY,SERVERKEY");
  }
  return ScramKeys{.digest = digest,
                   .iterations = iterations,
                   .salt = *std::move(salt),
                   .stored_key = *std::move(stored_key),
                   .server_key = *std::move(server_key)};
}

// The iterations by OpenSSL, which is several times as fast as gsasl's own.
ScramKeys ScramKeys::derive(net::Digest digest, const Secret& password, std::string_view salt,
                            unsigned iterations) {
  const auto form = prepared(password);
  const Secret salted =
      net::pbkdf2(digest, form ? form->view() : password.view(), salt, iterations);
  std::array<char, GSASL_HASH_MAX_SIZE> client_key;
  std::array<char, GSASL_HASH_MAX_SIZE> server_key{};
  std::array<char, GSASL_HASH_MAX_SIZE> stored_key{};
  // Only running out of memory makes it fail; then nothing matches what is not there.
  const bool done =
      ::gsasl_scram_secrets_from_salted_password(
          digest == net::Digest::kSha1 ? GSASL_HASH_SHA1 : GSASL_HASH_SHA256, salted.view().data(),
          client_key.data(), server_key.data(), stored_key.data()) == GSASL_OK;
  wipe(client_key.data(), client_key.size());
  const std::size_t length = done ? net::size(digest) : 0;
  ScramKeys keys{.digest = digest,
                 .iterations = iterations,
                 .salt = Secret(salt),
                 .stored_key = Secret({stored_key.data(), length}),
                 .server_key = Secret({server_key.data(), length})};
  wipe(server_key.data(), server_key.size());
  wipe(stored_key.data(), stored_key.size());
  return keys;
}

bool ScramKeys::matches(const Secret& password) const {
  return derive(digest, password, salt.view(), iterations).stored_key.equals(stored_key.view());
}

}  // namespace headgate::proof
