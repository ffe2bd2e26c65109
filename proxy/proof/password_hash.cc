#include "proof/password_hash.h"

#include <crypt.h>
#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <utility>

#include "base/base64.h"

namespace headgate::proof {
namespace {

struct CryptScheme {
  std::string_view name;   // between the braces, in capitals
  std::string_view begin;  // what the crypt string begins with; empty: anything
};
constexpr CryptScheme kCryptSchemes[] = {{"CRYPT", ""},
                                         {"SHA512-CRYPT", "$6$"},
                                         {"SHA256-CRYPT", "$5$"},
                                         {"BLF-CRYPT", "$2"},
                                         {"MD5-CRYPT", "$1$"}};

constexpr std::string_view kArgon2i = "$argon2i$";
constexpr std::string_view kArgon2id = "$argon2id$";

struct DigestScheme {
  std::string_view name;
  net::Digest digest;
  bool salted;
};
constexpr DigestScheme kDigestSchemes[] = {
    {"SSHA", net::Digest::kSha1, true},      {"SSHA256", net::Digest::kSha256, true},
    {"SSHA512", net::Digest::kSha512, true}, {"SHA", net::Digest::kSha1, false},
    {"SHA1", net::Digest::kSha1, false},     {"SHA256", net::Digest::kSha256, false},
    {"SHA512", net::Digest::kSha512, false},
};

// What one check may cost, whatever a file or a table says.
constexpr unsigned kMostRounds = 10'000'000;
constexpr unsigned kMostArgon2Kibi = 1024 * 1024;
constexpr unsigned kMostArgon2Passes = 1000;

constexpr std::string_view kExpected =
    "a crypt(3) hash ($y$, $6$, $5$, $2b$, $1$) or $argon2id$, or a hash behind {CRYPT}, "
    "{SHA512-CRYPT}, {SHA256-CRYPT}, {BLF-CRYPT}, {MD5-CRYPT}, {ARGON2ID}, {ARGON2I}, {PBKDF2}, "
    "{SSHA512}, {SSHA256}, {SSHA}, {SHA512}, {SHA256}, {SHA}, {SCRAM-SHA-256}, {SCRAM-SHA-1}, "
    "{PLAIN} "
    "or {CLEARTEXT}";

char capital(char byte) {
  return byte >= 'a' && byte <= 'z' ? static_cast<char>(byte - ('a' - 'A')) : byte;
}

std::unexpected<std::string> expected_but(std::string_view found) {
  return std::unexpected(fmt::format("expected {}; found {}", kExpected, found));
}

// Whether libxcrypt takes it as a setting, old schemes included: a file may hold what it holds.
bool is_known_setting(const Secret& terminated) {
  const int verdict = ::crypt_checksalt(terminated.view().data());
  return verdict == CRYPT_SALT_OK || verdict == CRYPT_SALT_METHOD_LEGACY ||
         verdict == CRYPT_SALT_TOO_CHEAP;
}

// With the NUL that C wants behind it.
Secret terminated(std::string_view text) {
  Secret copy(text);
  copy.append('\0');
  return copy;
}

std::string_view without_nul(std::string_view text) {
  return text.substr(0, text.size() - 1);
}

// Holds what crypt_r works with, which tells the password.
struct CryptData {
  crypt_data data{};
  CryptData() = default;
  CryptData(const CryptData&) = delete;
  CryptData& operator=(const CryptData&) = delete;
  ~CryptData() { wipe(&data, sizeof data); }
};

// Scheme and cost of a crypt(3) string.
std::string_view crypt_cost(std::string_view hash) {
  if (hash.front() != '$') {
    return "{DES}";
  }
  // "$6$salt$…" but "$6$rounds=9$salt$…", "$2b$12$saltand…", "$y$j9T$salt$…".
  const std::size_t scheme_end = hash.find('$', 1);
  if (scheme_end == std::string_view::npos) {
    return hash;
  }
  const std::string_view scheme = hash.substr(1, scheme_end - 1);
  const bool has_cost = scheme.starts_with('2') || scheme == "y" || scheme == "gy" ||
                        hash.substr(scheme_end + 1).starts_with("rounds=");
  const std::size_t end = has_cost ? hash.find('$', scheme_end + 1) : scheme_end;
  return hash.substr(0, end == std::string_view::npos ? end : end + 1);
}

// Takes the text up to the next '$' off the front, and the '$' with it.
std::string_view take_field(std::string_view& text) {
  const std::size_t end = std::min(text.find('$'), text.size());
  const std::string_view field = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return field;
}

std::optional<unsigned> number_from(std::string_view text) {
  unsigned number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc{} && stop == end && !text.empty() ? std::optional(number)
                                                              : std::nullopt;
}

std::optional<Secret> hex_decode(std::string_view text) {
  const auto digit = [](char c) {
    const char lower = c >= 'A' && c <= 'F' ? static_cast<char>(c + ('a' - 'A')) : c;
    return lower >= '0' && lower <= '9' ? lower - '0'
                                        : (lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1);
  };
  if (text.size() % 2 != 0) {
    return std::nullopt;
  }
  Secret bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]);
    const int low = digit(text[i + 1]);
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    bytes.append(static_cast<char>(high * 16 + low));
  }
  return bytes;
}

// "m=65536,t=3,p=1" within the bounds.
bool argon2_cost_is_bounded(std::string_view parameters) {
  const std::size_t passes_at = parameters.find(",t=");
  const std::size_t lanes_at = parameters.find(",p=");
  if (!parameters.starts_with("m=") || passes_at == std::string_view::npos ||
      lanes_at == std::string_view::npos || lanes_at < passes_at) {
    return false;
  }
  const auto kibi = number_from(parameters.substr(2, passes_at - 2));
  const auto passes = number_from(parameters.substr(passes_at + 3, lanes_at - passes_at - 3));
  return kibi && *kibi <= kMostArgon2Kibi && passes && *passes <= kMostArgon2Passes;
}

}  // namespace

PasswordHash::Parsed PasswordHash::parse(std::string_view text) {
  if (text.empty()) {
    return expected_but("nothing");
  }
  if (text == "*" || text.front() == '!') {
    return PasswordHash(Kind::kLocked, Secret(), "");
  }
  if (text.front() != '{') {
    return text.starts_with("$argon2") ? parse_argon2(text, "$argon2") : parse_crypt(text, "$");
  }
  const std::size_t end = text.find('}');
  if (end == std::string_view::npos) {
    return expected_but("'{' without '}'");
  }
  std::string scheme(text.substr(1, end - 1));
  std::ranges::transform(scheme, scheme.begin(), capital);
  return parse_scheme(scheme, text.substr(end + 1));
}

PasswordHash::Parsed PasswordHash::parse_scheme(std::string_view scheme, std::string_view hash) {
  if (scheme == "PLAIN" || scheme == "CLEARTEXT") {
    return hash.empty() ? Parsed(expected_but("no password"))
                        : PasswordHash(Kind::kPlain, Secret(hash), "{PLAIN}");
  }
  if (scheme == "ARGON2I" || scheme == "ARGON2ID") {
    return parse_argon2(hash, scheme == "ARGON2I" ? kArgon2i : kArgon2id);
  }
  if (scheme == "PBKDF2") {
    return parse_pbkdf2(hash);
  }
  if (scheme == "SCRAM-SHA-256" || scheme == "SCRAM-SHA-1") {
    return parse_scram(scheme == "SCRAM-SHA-1" ? net::Digest::kSha1 : net::Digest::kSha256, hash);
  }
  const auto* crypt = std::ranges::find(kCryptSchemes, scheme, &CryptScheme::name);
  return crypt != std::end(kCryptSchemes) ? parse_crypt(hash, crypt->begin)
                                          : parse_digest(scheme, hash);
}

PasswordHash::Parsed PasswordHash::parse_crypt(std::string_view hash, std::string_view begin) {
  if (!hash.starts_with(begin)) {
    return expected_but("a hash of another scheme");
  }
  Secret stored = terminated(hash);
  if (hash.find('\0') != std::string_view::npos || !is_known_setting(stored)) {
    return expected_but("a hash that crypt(3) does not know");
  }
  return PasswordHash(Kind::kCrypt, std::move(stored), std::string(crypt_cost(hash)));
}

// "$argon2id$v=19$m=65536,t=3,p=1$SALT$HASH"
PasswordHash::Parsed PasswordHash::parse_argon2(std::string_view hash, std::string_view begin) {
  std::string_view rest = hash;
  take_field(rest);
  const std::string_view scheme = take_field(rest);
  const std::string_view version = take_field(rest);
  const std::string_view parameters = take_field(rest);
  const std::string_view salt = take_field(rest);
  if (!hash.starts_with(begin) || (scheme != "argon2i" && scheme != "argon2id") ||
      version != "v=19" || salt.empty() || rest.empty() || hash.size() >= crypto_pwhash_STRBYTES ||
      hash.find('\0') != std::string_view::npos) {
    return expected_but("a hash that is not Argon2's");
  }
  if (!argon2_cost_is_bounded(parameters)) {
    return expected_but("an Argon2 hash of more than 1 GiB or 1000 passes");
  }
  return PasswordHash(Kind::kArgon2, terminated(hash),
                      fmt::format("${}${}${}$", scheme, version, parameters));
}

PasswordHash::Parsed PasswordHash::parse_pbkdf2(std::string_view hash) {
  std::string_view rest = hash;
  const std::string_view before = take_field(rest);
  const std::string_view version = take_field(rest);
  const std::string_view salt = take_field(rest);
  const auto rounds = number_from(take_field(rest));
  auto stored = hex_decode(rest);
  if (!before.empty() || version != "1" || !stored ||
      stored->size() != net::size(net::Digest::kSha1)) {
    return expected_but("a hash that is not {PBKDF2}$1$SALT$ROUNDS$HEX");
  }
  if (!rounds || *rounds < 1 || *rounds > kMostRounds) {
    return expected_but("a {PBKDF2} hash without 1 to 10000000 rounds");
  }
  PasswordHash parsed(Kind::kPbkdf2, *std::move(stored), fmt::format("{{PBKDF2}}{}$", *rounds));
  parsed.salt_ = Secret(salt);
  parsed.rounds_ = *rounds;
  return parsed;
}

// What stands behind the digest is the salt.
PasswordHash::Parsed PasswordHash::parse_digest(std::string_view scheme, std::string_view hash) {
  const std::size_t dot = std::min(scheme.find('.'), scheme.size());
  const std::string_view encoding = scheme.substr(dot);
  const auto* known = std::ranges::find(kDigestSchemes, scheme.substr(0, dot), &DigestScheme::name);
  if (known == std::end(kDigestSchemes) ||
      (!encoding.empty() && encoding != ".HEX" && encoding != ".B64" && encoding != ".BASE64")) {
    return expected_but("another scheme in braces");
  }
  const auto decoded = encoding == ".HEX" ? hex_decode(hash) : base64_decode(hash);
  const std::size_t length = net::size(known->digest);
  if (!decoded || decoded->size() < length || (decoded->size() > length) != known->salted) {
    return expected_but("a digest of another length or encoding");
  }
  PasswordHash parsed(Kind::kDigest, Secret(decoded->view().substr(0, length)),
                      fmt::format("{{{}}}", known->name));
  parsed.salt_ = Secret(decoded->view().substr(length));
  parsed.digest_ = known->digest;
  return parsed;
}

PasswordHash::Parsed PasswordHash::parse_scram(net::Digest digest, std::string_view hash) {
  auto keys = ScramKeys::parse(digest, hash);
  if (!keys) {
    return expected_but(keys.error());
  }
  PasswordHash parsed(Kind::kScram, Secret(),
                      fmt::format("{{{}}}{}$", scram_name(digest), keys->iterations));
  parsed.scram_ = std::make_shared<const ScramKeys>(*std::move(keys));
  return parsed;
}

bool PasswordHash::matches(const Secret& password) const {
  switch (kind_) {
    case Kind::kLocked:
      return false;
    case Kind::kPlain:
      return password.equals(stored_.view());
    case Kind::kDigest:
      return net::hash(digest_, password.view(), salt_.view()).equals(stored_.view());
    case Kind::kPbkdf2:
      return net::pbkdf2(digest_, password.view(), salt_.view(), rounds_).equals(stored_.view());
    case Kind::kScram:
      return scram_->matches(password);
    case Kind::kArgon2:
      return matches_argon2(password);
    case Kind::kCrypt:
      return matches_crypt(password);
  }
  return false;
}

bool PasswordHash::matches_crypt(const Secret& password) const {
  // 32 KiB: too much for the stack of a pool thread.
  const auto work = std::make_unique<CryptData>();
  const Secret phrase = terminated(password.view());
  const char* hashed = ::crypt_r(phrase.view().data(), stored_.view().data(), &work->data);
  // A failure is a text that begins with '*', which no stored hash does.
  const bool ended_early = password.view().find('\0') != std::string_view::npos;
  return hashed != nullptr && !ended_early && Secret(hashed).equals(without_nul(stored_.view()));
}

bool PasswordHash::matches_argon2(const Secret& password) const {
  static const bool ready = ::sodium_init() >= 0;
  const Secret phrase = terminated(password.view());  // an empty one has no bytes to point at
  return ready && ::crypto_pwhash_str_verify(stored_.view().data(), phrase.view().data(),
                                             password.size()) == 0;
}

PasswordHash PasswordHash::clone() const {
  PasswordHash copy(kind_, stored_.clone(), cost_);
  copy.digest_ = digest_;
  copy.rounds_ = rounds_;
  copy.salt_ = salt_.clone();
  copy.scram_ = scram_;
  return copy;
}

}  // namespace headgate::proof
