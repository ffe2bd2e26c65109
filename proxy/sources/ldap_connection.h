#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "base/unique_fd.h"

struct ldap;

namespace headgate::sources {

enum class LdapScope : std::uint8_t { kSubtree, kOne, kBase };

struct LdapServer {
  std::string url;  // "ldap://HOST[:PORT]" or "ldaps://HOST[:PORT]"
  bool starttls = false;
  bool verify = true;
  std::string ca;  // empty: the system's
};

// Why a request to the server did not succeed.
struct LdapError {
  bool refused = false;  // the server is well and says no to this request
  std::string why;
};

// One connection to a server, for one thread that may block; interrupt() alone is for any.
class LdapConnection {
 public:
  // Before the first connection, on one thread: libldap does not look after itself when its first
  // two uses are at the same time.
  static void prepare_library();

  // `timeout`: of each step. `server` must outlive it.
  LdapConnection(const LdapServer& server, std::chrono::milliseconds timeout);
  ~LdapConnection();
  LdapConnection(const LdapConnection&) = delete;
  LdapConnection& operator=(const LdapConnection&) = delete;

  // Connects, with TLS as wanted, and binds. The error is never a refusal of anybody but `dn`, and
  // not marked as one.
  std::expected<void, LdapError> open(const std::string& dn, const Secret& password);
  void close();
  [[nodiscard]] bool is_open() const { return handle_ != nullptr; }

  // A simple bind. An empty password is refused here: to a server it would be no password at all
  // (RFC 4513 section 5.1.2). An empty DN with an empty password is anonymous.
  std::expected<void, LdapError> bind(const std::string& dn, const Secret& password);

  static constexpr int kMostValues = 32;  // of an attribute; more are not looked at
  struct Entry {
    std::string dn;
    std::map<std::string, std::vector<Secret>> values;  // at least one of each attribute here
  };
  // At most two entries: enough to see that one is not alone.
  std::expected<std::vector<Entry>, LdapError> search(const std::string& base, LdapScope scope,
                                                      const std::string& filter,
                                                      const std::vector<std::string>& attributes);

  void interrupt() noexcept;

 private:
  std::expected<void, LdapError> connect();
  std::expected<void, LdapError> result_of(int code, std::string_view what);
  struct Callbacks;

  const LdapServer& server_;
  const std::chrono::milliseconds timeout_;
  ldap* handle_ = nullptr;
  std::unique_ptr<Callbacks> callbacks_;  // outlives the handle
  std::mutex mutex_;
  UniqueFd socket_;  // a second descriptor of the connection's; guarded by mutex_
};

}  // namespace headgate::sources
