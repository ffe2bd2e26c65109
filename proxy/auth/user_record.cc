#include "auth/user_record.h"

#include <fmt/format.h>

#include <utility>

#include "base/address.h"
#include "base/log.h"
#include "base/printable.h"
#include "base/utf8.h"

namespace headgate::auth {
namespace {

// Of no password; what costs time before the first real hash was seen.
constexpr std::string_view kFirstTypical =
    "$6$headgatenobody$"
    "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX";
constexpr std::size_t kLongestField = 1024;

bool is_text(std::string_view value) {
  for (const char byte : value) {
    if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F) {
      return false;
    }
  }
  return is_utf8(value);
}

std::expected<HostPort, std::string> parse_backend(std::string_view value, std::uint16_t port) {
  auto parsed = HostPort::parse(value);
  if (!parsed && port != 0) {
    const bool bare_ipv6 = value.contains(':') && !value.starts_with('[');
    parsed =
        HostPort::parse(fmt::format(fmt::runtime(bare_ipv6 ? "[{}]:{}" : "{}:{}"), value, port));
  }
  return parsed;
}

}  // namespace

std::expected<void, std::string> set_field(UserRecord& record, std::string_view field,
                                           std::string_view value, std::uint16_t port) {
  if (field == "password") {
    record.password.emplace(value);
    return {};
  }
  if (field != "user" && field != "pool" && field != "backend") {
    return std::unexpected(
        fmt::format("expected password, user, pool or backend; found '{}'", printable(field, 64)));
  }
  if (value.empty()) {
    return {};  // as if it were NULL
  }
  if (value.size() > kLongestField || !is_text(value)) {
    return std::unexpected(
        fmt::format("{}: expected at most {} bytes of text without control characters; found '{}'",
                    field, kLongestField, printable(value, 64)));
  }
  if (field == "user") {
    record.route.user = value;
  } else if (field == "pool") {
    record.route.pool = value;
  } else if (auto backend = parse_backend(value, port)) {
    record.route.backend = *std::move(backend);
  } else {
    return std::unexpected(fmt::format("backend: {}", backend.error()));
  }
  return {};
}

LookupResult RecordChecker::check(std::optional<UserRecord> record, std::string_view user,
                                  const Secret& password) {
  if (!record) {
    if (options_.checks_password && options_.hash_unknown) {
      burn(password);
    }
    return UnknownHere{};
  }
  if (record->route.user.empty()) {
    record->route.user = user;
  }
  record->route.use_master = options_.checks_password;
  if (!options_.checks_password) {
    return Accepted{std::move(record->route)};
  }
  if (!record->password || record->password->empty()) {
    burn(password);
    return Rejected{dialogue::LoginFailure::kWrongCredentials};
  }
  const auto hash = PasswordHash::parse(record->password->view());
  if (!hash) {
    // Not Unavailable: one user's record says nothing about the database.
    log::warning("password hash not understood",
                 {{"source", options_.source}, {"user", user}, {"error", hash.error()}});
    burn(password);
    return Rejected{dialogue::LoginFailure::kLookupUnavailable};
  }
  if (hash->cost_class().empty()) {
    burn(password);
    return Rejected{dialogue::LoginFailure::kWrongCredentials};
  }
  note(*hash);
  if (!hash->matches(password)) {
    return Rejected{dialogue::LoginFailure::kWrongCredentials};
  }
  return Accepted{std::move(record->route)};
}

LookupResult RecordChecker::hand_out(std::optional<UserRecord> record, std::string_view user) {
  if (!record) {
    return UnknownHere{};
  }
  if (!options_.checks_password || !record->password || record->password->empty()) {
    return Rejected{dialogue::LoginFailure::kWrongCredentials};
  }
  auto stored = PasswordHash::parse(record->password->view());
  if (!stored) {
    log::warning("password hash not understood",
                 {{"source", options_.source}, {"user", user}, {"error", stored.error()}});
    return Rejected{dialogue::LoginFailure::kLookupUnavailable};
  }
  if (stored->cost_class().empty()) {
    return Rejected{dialogue::LoginFailure::kWrongCredentials};
  }
  if (record->route.user.empty()) {
    record->route.user = user;
  }
  record->route.use_master = true;
  return Known{std::move(record->route), std::make_shared<const PasswordHash>(*std::move(stored))};
}

void RecordChecker::burn(const Secret& password) {
  static_cast<void>(typical().matches(password));
}

PasswordHash RecordChecker::typical() {
  const std::lock_guard lock(mutex_);
  return typical_ ? typical_->clone() : *PasswordHash::parse(kFirstTypical);
}

void RecordChecker::note(const PasswordHash& hash) {
  const std::lock_guard lock(mutex_);
  if (!typical_ || typical_->cost_class() != hash.cost_class()) {
    typical_ = hash.clone();
  }
}

}  // namespace headgate::auth
