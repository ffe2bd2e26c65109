#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "base/unique_fd.h"

struct ldap;

namespace headgate::sources {

enum class LdapScope : std::uint8_t { kSubtree, kOne, kBase };

struct LdapServers {
  std::vector<std::string> urls;  // "ldap://HOST[:PORT]" or "ldaps://HOST[:PORT]"
  bool starttls = false;
  bool verify = true;
  std::string ca;  // empty: the system's
};

// Why a request to the server did not succeed.
struct LdapError {
  bool refused = false;  // the server is well and says no to this request
  std::string why;
};

// One connection to one of several servers, for one thread that may block; interrupt() alone is
// for any.
class LdapConnection {
 public:
  // `timeout`: of each step with one server. `current`: index of the server that is asked first,
  // the same for all connections of a source; both must outlive it.
  LdapConnection(const LdapServers& servers, std::chrono::milliseconds timeout,
                 std::atomic<std::size_t>& current);
  ~LdapConnection();
  LdapConnection(const LdapConnection&) = delete;
  LdapConnection& operator=(const LdapConnection&) = delete;

  // Connects to the current server, or to the first of the others that answers and is the current
  // one from then on, with TLS as wanted, and binds.
  std::expected<void, LdapError> open(const std::string& dn, const Secret& password);
  void close();
  // The same, since the server did not answer: another one is to be the current one.
  void give_up();
  // To the server that is the current one.
  [[nodiscard]] bool is_open() const {
    return handle_ != nullptr && server_ == current_.load(std::memory_order_relaxed);
  }

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
  std::expected<void, LdapError> open_one(const std::string& url);
  std::expected<void, LdapError> result_of(int code, std::string_view what);
  struct Callbacks;

  const LdapServers& servers_;
  const std::chrono::milliseconds timeout_;
  std::atomic<std::size_t>& current_;
  std::size_t server_ = 0;  // that it is connected to
  ldap* handle_ = nullptr;
  std::unique_ptr<Callbacks> callbacks_;  // outlives the handle
  std::mutex mutex_;
  UniqueFd socket_;  // a second descriptor of the connection's; guarded by mutex_
};

}  // namespace headgate::sources
