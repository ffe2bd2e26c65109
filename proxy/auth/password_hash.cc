#include "auth/password_hash.h"

#include <crypt.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace headgate::auth {
namespace {

struct Scheme {
  std::string_view name;   // between the braces, in capitals
  std::string_view begin;  // what the crypt string begins with; empty: anything
};
constexpr Scheme kCryptSchemes[] = {{"CRYPT", ""},
                                    {"SHA512-CRYPT", "$6$"},
                                    {"SHA256-CRYPT", "$5$"},
                                    {"BLF-CRYPT", "$2"},
                                    {"MD5-CRYPT", "$1$"}};

constexpr std::string_view kExpected =
    "a crypt(3) hash ($y$, $6$, $5$, $2b$, $1$), or one behind {CRYPT}, {SHA512-CRYPT}, "
    "{SHA256-CRYPT}, {BLF-CRYPT}, {MD5-CRYPT}, {PLAIN} or {CLEARTEXT}";

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

// With the NUL that crypt wants behind it.
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

}  // namespace

std::expected<PasswordHash, std::string> PasswordHash::parse(std::string_view text) {
  if (text.empty()) {
    return expected_but("nothing");
  }
  if (text == "*" || text.front() == '!') {
    return PasswordHash(Kind::kLocked, Secret());
  }
  std::string_view begin = "$";
  std::string_view hash = text;
  if (text.front() == '{') {
    const std::size_t end = text.find('}');
    std::string scheme(text.substr(1, end == std::string_view::npos ? end : end - 1));
    std::ranges::transform(scheme, scheme.begin(), capital);
    if (end == std::string_view::npos) {
      return expected_but("'{' without '}'");
    }
    hash = text.substr(end + 1);
    if (scheme == "PLAIN" || scheme == "CLEARTEXT") {
      return hash.empty() ? std::expected<PasswordHash, std::string>(expected_but("no password"))
                          : PasswordHash(Kind::kPlain, Secret(hash));
    }
    const auto* known = std::ranges::find(kCryptSchemes, scheme, &Scheme::name);
    if (known == std::end(kCryptSchemes)) {
      return expected_but("another scheme in braces");
    }
    begin = known->begin;
  }
  if (!hash.starts_with(begin)) {
    return expected_but("a hash of another scheme");
  }
  Secret stored = terminated(hash);
  if (hash.find('\0') != std::string_view::npos || !is_known_setting(stored)) {
    return expected_but("a hash that crypt(3) does not know");
  }
  return PasswordHash(Kind::kCrypt, std::move(stored));
}

bool PasswordHash::matches(const Secret& password) const {
  if (kind_ == Kind::kLocked) {
    return false;
  }
  if (kind_ == Kind::kPlain) {
    return password.equals(stored_.view());
  }
  // 32 KiB: too much for the stack of a pool thread.
  const auto work = std::make_unique<CryptData>();
  const Secret phrase = terminated(password.view());
  const char* hashed = ::crypt_r(phrase.view().data(), stored_.view().data(), &work->data);
  // A failure is a text that begins with '*', which no stored hash does.
  const bool ended_early = password.view().find('\0') != std::string_view::npos;
  return hashed != nullptr && !ended_early && Secret(hashed).equals(without_nul(stored_.view()));
}

std::string_view PasswordHash::cost_class() const {
  if (kind_ == Kind::kLocked) {
    return "";
  }
  if (kind_ == Kind::kPlain) {
    return "{PLAIN}";
  }
  const std::string_view hash = without_nul(stored_.view());
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

}  // namespace headgate::auth
