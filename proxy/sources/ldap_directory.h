#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "sources/directory.h"
#include "sources/ldap_connection.h"
#include "sources/ldap_filter.h"
#include "sources/user_record.h"

namespace headgate::sources {

// Who compares the password.
enum class LdapPasswords : std::uint8_t {
  kBind,     // the LDAP server, in a bind as the user
  kFetch,    // Headgate, with the hash from the entry
  kBackend,  // the backend; LDAP says only where the mailbox is
};

struct LdapOptions {
  std::vector<LdapServer> servers;  // at least one; asked in this order
  // Until the next server is asked as well where one is late with an answer; 0: when it has had its
  // share of the deadline.
  std::chrono::milliseconds hedge_after{500};
  std::string bind_dn;  // whom to search as; empty: anonymous
  Secret bind_password;
  std::string base;
  LdapScope scope = LdapScope::kSubtree;
  std::string filter;
  LdapPasswords passwords = LdapPasswords::kBind;
  std::string password_attribute = "userPassword";
  // Empty: none.
  std::string app_password_attribute;
  std::string totp_attribute;
  std::string user_attribute;
  std::string pool_attribute;
  std::string backend_attribute;
  std::string max_sessions_attribute;
  struct Forward {
    std::string field;  // "forward_KEY"
    std::string attribute;
  };
  std::vector<Forward> forward_attributes;
  std::uint16_t backend_port = 143;  // where the attribute holds a host alone
  unsigned connections = 4;          // to each server
};

// One connection to search by, and where users bind one more for that, since a bind changes whom a
// connection belongs to.
class LdapDirectory : public Directory {
 public:
  // What all connections of one source share.
  struct Shared {
    LdapOptions options;
    LdapFilter filter;
    RecordChecker checker;
    std::chrono::milliseconds timeout;  // of each step with a server
    // How long the last bind as an entry took: what an unknown user costs as well.
    std::atomic<std::chrono::microseconds> bind_time{};
  };

  // `server`: index of the one that this is a connection to.
  LdapDirectory(std::shared_ptr<Shared> shared, std::size_t server);

  auth::LookupResult look_up(const auth::LoginRequest& request, Asker& asker) override;
  auth::LookupResult explain(std::string_view user, Asker& asker) override;
  void interrupt() noexcept override;

 private:
  struct Found {
    std::string dn;
    std::vector<UserRecord> records;  // at least one
  };
  using Search = std::expected<std::optional<Found>, auth::LookupResult>;

  Search find(std::string_view user);
  std::expected<std::vector<LdapConnection::Entry>, LdapError> search(const std::string& filter);
  // One record for each of the entry's passwords.
  std::expected<std::vector<UserRecord>, std::string> records_of(
      const LdapConnection::Entry& entry) const;
  Search found_of(std::vector<LdapConnection::Entry> entries, std::string_view user);
  auth::LookupResult check_by_bind(std::optional<Found> found, const auth::LoginRequest& request,
                                   Asker& asker);
  // Sets bound_for_ where the server has judged the password.
  std::expected<void, LdapError> bind_as(const std::string& dn, const Secret& password);
  void wait_like_a_bind();

  const std::shared_ptr<Shared> shared_;
  const std::vector<std::string> attributes_;
  std::atomic<bool> interrupted_{false};
  std::mutex mutex_;
  std::condition_variable interruption_;  // of a wait, with mutex_
  std::chrono::microseconds bound_for_{};
  LdapConnection searching_;
  LdapConnection binding_;
};

}  // namespace headgate::sources
