#include "sources/user_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "auth/forwarded_fields.h"
#include "auth/max_sessions.h"
#include "base/address.h"
#include "base/log.h"
#include "base/printable.h"
#include "base/utf8.h"

namespace headgate::sources {
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
  if (field == "totp") {
    if (!value.empty()) {
      record.totp.emplace(value);
    }
    return {};
  }
  if (field.starts_with(auth::kForwardPrefix)) {
    return auth::add_forwarded(field, value, record.route);
  }
  if (field == "max_sessions") {
    return auth::set_max_sessions(field, value, record.route);
  }
  if (field != "app" && field != "user" && field != "pool" && field != "backend") {
    return std::unexpected(
        fmt::format("expected password, app, totp, user, pool, backend, max_sessions or forward_…; "
                    "found '{}'",
                    printable(field, 64)));
  }
  if (value.empty()) {
    return {};  // as if it were NULL
  }
  if (value.size() > kLongestField || !is_text(value)) {
    return std::unexpected(
        fmt::format("{}: expected at most {} bytes of text without control characters; found '{}'",
                    field, kLongestField, printable(value, 64)));
  }
  if (field == "app") {
    record.route.app_password = value;
  } else if (field == "user") {
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

auth::LookupResult RecordChecker::check(std::vector<UserRecord> records, std::string_view user,
                                        const Secret& password, std::string_view login) {
  if (records.empty()) {
    if (options_.checks_password && options_.hash_unknown) {
      burn(password, typical_count(user));
    }
    return auth::UnknownHere{};
  }
  for (UserRecord& record : records) {
    if (record.route.user.empty()) {
      record.route.user = user;
    }
    record.route.use_master = options_.checks_password;
  }
  if (records.size() > (options_.checks_password ? proof::kMostPasswords : 1)) {
    return refuse(
        options_.checks_password
            ? fmt::format("expected at most {} passwords; found more", proof::kMostPasswords)
            : std::string("expected one record at most; found several"),
        user);
  }
  const auto totp = totp_of(records, user);
  if (!totp) {
    return totp.error();
  }
  const auth::CodeCheck code(options_.codes, *totp ? &**totp : nullptr, password, login);
  if (!options_.checks_password) {
    return code.answer(std::move(records.front().route));
  }
  return compare(records, user, password, code);
}

auth::LookupResult RecordChecker::hand_out(std::vector<UserRecord> records, std::string_view user) {
  if (records.empty()) {
    return auth::UnknownHere{};
  }
  const auto needs_code = [](const UserRecord& record) { return record.totp.has_value(); };
  const auto own = std::ranges::find_if(
      records, [](const UserRecord& record) { return !record.route.app_password; });
  // No exchange has room for a one-time code, and an application password's record is no secret of
  // the user's own.
  if (!options_.checks_password || std::ranges::any_of(records, needs_code) ||
      own == records.end() || !own->password || own->password->empty()) {
    return auth::Rejected{dialogue::LoginFailure::kWrongCredentials};
  }
  auto stored = proof::PasswordHash::parse(own->password->view());
  if (!stored) {
    log::warning("password hash not understood",
                 {{"source", options_.source}, {"user", user}, {"error", stored.error()}});
    return auth::Rejected{dialogue::LoginFailure::kLookupUnavailable};
  }
  if (stored->cost_class().empty()) {
    return auth::Rejected{dialogue::LoginFailure::kWrongCredentials};
  }
  if (own->route.user.empty()) {
    own->route.user = user;
  }
  own->route.use_master = true;
  return auth::Known{std::move(own->route),
                     std::make_shared<const proof::PasswordHash>(*std::move(stored))};
}

auth::LookupResult RecordChecker::compare(std::vector<UserRecord>& records, std::string_view user,
                                          const Secret& password, const auth::CodeCheck& code) {
  const Passwords passwords = read(records, user);
  if (passwords.hashes.empty()) {
    burn(password, typical_count(user));
  } else {
    note(passwords.hashes);
  }
  std::optional<std::size_t> match;
  for (std::size_t i = 0; i < passwords.hashes.size(); ++i) {
    const bool app = passwords.routes[i]->app_password.has_value();
    if (passwords.hashes[i].matches(code.password(app)) && !match) {
      match = i;
    }
  }
  if (!match && !passwords.all_understood) {
    // It may have been the one that was not understood.
    return auth::Rejected{dialogue::LoginFailure::kLookupUnavailable};
  }
  std::optional<auth::Route> route;
  if (match && !passwords.locked) {
    route = std::move(*passwords.routes[*match]);
  }
  return code.answer(std::move(route));
}

std::expected<std::optional<proof::TotpSecret>, auth::LookupResult> RecordChecker::totp_of(
    const std::vector<UserRecord>& records, std::string_view user) const {
  const Secret* written = nullptr;
  for (const UserRecord& record : records) {
    if (record.totp && written != nullptr && !record.totp->equals(written->view())) {
      return std::unexpected(refuse("totp: expected one secret; found several", user));
    }
    written = record.totp ? &*record.totp : written;
  }
  if (written == nullptr) {
    return std::nullopt;
  }
  auto secret = proof::TotpSecret::parse(written->view());
  if (!secret) {
    return std::unexpected(refuse("totp: " + secret.error(), user));
  }
  return std::optional(*std::move(secret));
}

// A hash that is not understood is no reason to refuse the others.
RecordChecker::Passwords RecordChecker::read(std::vector<UserRecord>& records,
                                             std::string_view user) const {
  Passwords passwords;
  for (UserRecord& record : records) {
    if (!record.password || record.password->empty()) {
      continue;
    }
    auto hash = proof::PasswordHash::parse(record.password->view());
    if (!hash) {
      log::warning("password hash not understood",
                   {{"source", options_.source}, {"user", user}, {"error", hash.error()}});
      passwords.all_understood = false;
    } else if (!hash->cost_class().empty()) {
      passwords.hashes.push_back(*std::move(hash));
      passwords.routes.push_back(&record.route);
    } else if (!record.route.app_password && record.password->view().starts_with('!')) {
      passwords.locked = true;
    }
  }
  return passwords;
}

// Not Unavailable: one user's records say nothing about the database.
auth::LookupResult RecordChecker::refuse(std::string_view why, std::string_view user) const {
  log::warning("user record not understood",
               {{"source", options_.source}, {"user", user}, {"error", why}});
  return auth::Rejected{dialogue::LoginFailure::kLookupUnavailable};
}

// Costs as much as a check of an existing user's passwords.
void RecordChecker::burn(const Secret& password, std::size_t times) {
  const proof::PasswordHash hash = typical();
  for (std::size_t i = 0; i < times; ++i) {
    static_cast<void>(hash.matches(password));
  }
}

proof::PasswordHash RecordChecker::typical() {
  const std::lock_guard lock(mutex_);
  return typical_ ? typical_->clone() : *proof::PasswordHash::parse(kFirstTypical);
}

std::size_t RecordChecker::typical_count(std::string_view user) {
  const std::lock_guard lock(mutex_);
  return counts_.draw(user);
}

void RecordChecker::note(const std::vector<proof::PasswordHash>& hashes) {
  const std::lock_guard lock(mutex_);
  counts_.note(hashes.size());
  if (!typical_ || typical_->cost_class() != hashes.front().cost_class()) {
    typical_ = hashes.front().clone();
  }
}

}  // namespace headgate::sources
