#include "sources/ldap_directory.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "base/log.h"

namespace headgate::sources {
namespace {

std::vector<std::string> attributes_of(const LdapOptions& options) {
  std::vector<std::string> attributes;
  for (const std::string* attribute :
       {&options.user_attribute, &options.pool_attribute, &options.backend_attribute,
        &options.totp_attribute, &options.max_sessions_attribute}) {
    if (!attribute->empty()) {
      attributes.push_back(*attribute);
    }
  }
  for (const LdapOptions::Forward& forward : options.forward_attributes) {
    attributes.push_back(forward.attribute);
  }
  if (options.passwords == LdapPasswords::kFetch) {
    attributes.push_back(options.password_attribute);
    if (!options.app_password_attribute.empty()) {
      attributes.push_back(options.app_password_attribute);
    }
  }
  if (attributes.empty()) {
    attributes.emplace_back("1.1");  // none at all (RFC 4511 section 4.5.1.8)
  }
  return attributes;
}

}  // namespace

LdapDirectory::LdapDirectory(std::shared_ptr<Shared> shared, std::size_t server)
    : shared_(std::move(shared)),
      attributes_(attributes_of(shared_->options)),
      searching_(shared_->options.servers[server], shared_->timeout),
      binding_(shared_->options.servers[server], shared_->timeout) {}

auth::LookupResult LdapDirectory::look_up(const auth::LoginRequest& request, Asker& asker) {
  interrupted_ = false;
  const dialogue::Credentials& credentials = request.credentials;
  const LdapPasswords passwords = shared_->options.passwords;
  if (credentials.secret.empty() && !credentials.by_exchange() &&
      passwords != LdapPasswords::kBackend) {
    return auth::Rejected{dialogue::LoginFailure::kWrongCredentials};
  }
  Search found = find(credentials.user);
  if (!found) {
    return std::move(found.error());
  }
  asker.on_server_answer(passwords != LdapPasswords::kBind);
  if (!asker.waits()) {
    return auth::UnknownHere{};  // and no bind, whose failure the server may count
  }
  if (passwords == LdapPasswords::kBind) {
    return check_by_bind(*std::move(found), request, asker);
  }
  std::vector<UserRecord> records;
  if (*found) {
    records = std::move((*found)->records);
  }
  if (credentials.by_exchange()) {
    return shared_->checker.hand_out(std::move(records), credentials.user);
  }
  return shared_->checker.check(std::move(records), credentials.user, credentials.secret,
                                request.login());
}

auth::LookupResult LdapDirectory::explain(std::string_view user, Asker& /*asker*/) {
  Search found = find(user);
  if (!found) {
    return std::move(found.error());
  }
  if (!*found) {
    return auth::UnknownHere{};
  }
  auth::Route route = std::move((*found)->records.front().route);
  if (route.user.empty()) {
    route.user = user;
  }
  return auth::Accepted{std::move(route)};
}

LdapDirectory::Search LdapDirectory::find(std::string_view user) {
  auto entries = search(shared_->filter.fill(user));
  if (!entries) {
    return std::unexpected(auth::Unavailable{std::move(entries.error().why)});
  }
  return found_of(*std::move(entries), user);
}

// A connection that was there before may have gone meanwhile: then once more with a new one.
std::expected<std::vector<LdapConnection::Entry>, LdapError> LdapDirectory::search(
    const std::string& filter) {
  const LdapOptions& options = shared_->options;
  for (;;) {
    const bool was_open = searching_.is_open();
    if (!was_open) {
      if (auto opened = searching_.open(options.bind_dn, options.bind_password); !opened) {
        return std::unexpected(std::move(opened.error()));
      }
    }
    auto entries = searching_.search(options.base, options.scope, filter, attributes_);
    if (entries || entries.error().refused) {
      return entries;
    }
    searching_.close();
    if (!was_open || interrupted_) {
      return entries;
    }
  }
}

std::expected<std::vector<UserRecord>, std::string> LdapDirectory::records_of(
    const LdapConnection::Entry& entry) const {
  const LdapOptions& options = shared_->options;
  UserRecord first;
  std::vector<std::pair<std::string_view, std::string_view>> fields = {
      {"user", options.user_attribute},
      {"pool", options.pool_attribute},
      {"backend", options.backend_attribute},
      {"totp", options.totp_attribute},
      {"max_sessions", options.max_sessions_attribute}};
  for (const LdapOptions::Forward& forward : options.forward_attributes) {
    fields.emplace_back(forward.field, forward.attribute);
  }
  for (const auto& [field, attribute] : fields) {
    const auto values = entry.values.find(std::string(attribute));
    if (attribute.empty() || values == entry.values.end()) {
      continue;
    }
    if (auto set = set_field(first, field, values->second.front().view(), options.backend_port);
        !set) {
      return std::unexpected(fmt::format("attribute {}: {}", attribute, set.error()));
    }
  }
  std::vector<UserRecord> records;
  for (const std::string* attribute :
       {&options.password_attribute, &options.app_password_attribute}) {
    const auto values = entry.values.find(*attribute);
    if (attribute->empty() || values == entry.values.end()) {
      continue;
    }
    for (const Secret& password : values->second) {
      UserRecord& record = records.emplace_back();
      record.password = password.clone();
      record.route = first.route;
      if (first.totp) {
        record.totp = first.totp->clone();
      }
      if (attribute == &options.app_password_attribute) {
        record.route.app_password = *attribute;  // such a password has no name of its own
      }
    }
  }
  if (records.empty()) {
    records.push_back(std::move(first));
  }
  return records;
}

LdapDirectory::Search LdapDirectory::found_of(std::vector<LdapConnection::Entry> entries,
                                              std::string_view user) {
  if (entries.empty()) {
    return std::nullopt;
  }
  auto records = records_of(entries.front());
  if (entries.size() > 1) {
    records = std::unexpected(std::string("expected one entry at most; found several"));
  }
  if (!records) {
    // Not Unavailable: one user's entry says nothing about the servers.
    log::warning("user record not understood", {{"source", shared_->checker.options().source},
                                                {"user", user},
                                                {"error", records.error()}});
    return std::unexpected(auth::Rejected{dialogue::LoginFailure::kLookupUnavailable});
  }
  return Found{.dn = std::move(entries.front().dn), .records = *std::move(records)};
}

// An unknown user costs a bind as well, as somebody who cannot be there; and since a server has
// nothing to hash for that one, the time of a bind.
auth::LookupResult LdapDirectory::check_by_bind(std::optional<Found> found,
                                                const auth::LoginRequest& request, Asker& asker) {
  const dialogue::Credentials& credentials = request.credentials;
  std::optional<proof::TotpSecret> totp;
  if (found) {
    auto known = shared_->checker.totp_of(found->records, credentials.user);
    if (!known) {
      return std::move(known.error());
    }
    totp = *std::move(known);
  }
  const std::string login = request.login();
  const auth::CodeCheck code(shared_->checker.options().codes, totp ? &*totp : nullptr,
                             credentials.secret, login);
  const auto bound = bind_as(found ? found->dn : "cn=headgate-nobody," + shared_->options.base,
                             code.password(false));
  if (!bound && !bound.error().refused) {
    return auth::Unavailable{bound.error().why};
  }
  asker.on_server_answer(true);
  if (!found) {
    if (shared_->checker.options().hash_unknown && asker.waits()) {
      wait_like_a_bind();
    }
    return auth::UnknownHere{};
  }
  shared_->bind_time = bound_for_;
  if (!bound) {
    return code.answer(std::nullopt);
  }
  auth::Route route = std::move(found->records.front().route);
  if (route.user.empty()) {
    route.user = credentials.user;
  }
  route.use_master = true;
  return code.answer(std::move(route));
}

std::expected<void, LdapError> LdapDirectory::bind_as(const std::string& dn,
                                                      const Secret& password) {
  const LdapOptions& options = shared_->options;
  for (;;) {
    const bool was_open = binding_.is_open();
    if (!was_open) {
      // With a bind that is known to work: what fails then is not the user's.
      if (auto opened = binding_.open(options.bind_dn, options.bind_password); !opened) {
        return opened;
      }
    }
    const auto began = std::chrono::steady_clock::now();
    auto bound = binding_.bind(dn, password);
    if (bound || bound.error().refused) {
      bound_for_ = std::chrono::duration_cast<std::chrono::microseconds>(
          std::chrono::steady_clock::now() - began);
      return bound;
    }
    binding_.close();
    if (!was_open || interrupted_) {
      return bound;
    }
  }
}

// As long as the last bind as an entry took longer than the one as nobody.
void LdapDirectory::wait_like_a_bind() {
  std::unique_lock lock(mutex_);
  interruption_.wait_for(lock, shared_->bind_time.load() - bound_for_,
                         [this] { return interrupted_.load(); });
}

void LdapDirectory::interrupt() noexcept {
  {
    const std::lock_guard lock(mutex_);
    interrupted_ = true;
    interruption_.notify_one();
  }
  searching_.interrupt();
  binding_.interrupt();
}

}  // namespace headgate::sources
