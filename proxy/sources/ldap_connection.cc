#include "sources/ldap_connection.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <ldap.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <utility>

namespace headgate::sources {
namespace {

timeval to_timeval(std::chrono::milliseconds time) {
  return {.tv_sec = time.count() / 1000, .tv_usec = (time.count() % 1000) * 1000};
}

// What the server says about the request, as opposed to the way there or its own health.
bool is_refusal(int code) {
  switch (code) {
    case LDAP_INVALID_CREDENTIALS:
    case LDAP_INAPPROPRIATE_AUTH:
    case LDAP_UNWILLING_TO_PERFORM:
    case LDAP_CONSTRAINT_VIOLATION:
    case LDAP_INSUFFICIENT_ACCESS:
    case LDAP_NO_SUCH_OBJECT:
    case LDAP_INVALID_DN_SYNTAX:
      return true;
    default:
      return false;
  }
}

struct MessageFree {
  void operator()(LDAPMessage* message) const { ::ldap_msgfree(message); }
};
using Message = std::unique_ptr<LDAPMessage, MessageFree>;

}  // namespace

// Tells the connection its socket before TLS begins, so that even a handshake can be interrupted.
struct LdapConnection::Callbacks {
  explicit Callbacks(LdapConnection& owner) { table.lc_arg = &owner; }

  static int added(LDAP* /*handle*/, Sockbuf* buffer, LDAPURLDesc* /*server*/,
                   sockaddr* /*address*/, ldap_conncb* callback) noexcept {
    auto& connection = *static_cast<LdapConnection*>(callback->lc_arg);
    ber_socket_t socket = -1;
    if (::ber_sockbuf_ctrl(buffer, LBER_SB_OPT_GET_FD, &socket) == 1 && socket >= 0) {
      const std::lock_guard lock(connection.mutex_);
      connection.socket_ = UniqueFd(::fcntl(socket, F_DUPFD_CLOEXEC, 0));
    }
    return 0;
  }
  static void removed(LDAP* /*handle*/, Sockbuf* /*buffer*/, ldap_conncb* /*callback*/) noexcept {}

  ldap_conncb table{.lc_add = added, .lc_del = removed, .lc_arg = nullptr};
};

void LdapConnection::prepare_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    ldap* handle = nullptr;
    if (::ldap_initialize(&handle, "ldap://localhost") == LDAP_SUCCESS) {
      const int client_side = 0;
      ::ldap_set_option(handle, LDAP_OPT_X_TLS_NEWCTX, &client_side);
      ::ldap_unbind_ext(handle, nullptr, nullptr);
    }
  });
}

LdapConnection::LdapConnection(const LdapServer& server, std::chrono::milliseconds timeout)
    : server_(server), timeout_(timeout), callbacks_(std::make_unique<Callbacks>(*this)) {}

LdapConnection::~LdapConnection() {
  close();
}

std::expected<void, LdapError> LdapConnection::open(const std::string& dn, const Secret& password) {
  auto opened = connect();
  if (opened) {
    opened = bind(dn, password);
  }
  if (!opened) {
    close();
    opened.error().refused = false;  // whatever it was, nobody was judged by it
  }
  return opened;
}

std::expected<void, LdapError> LdapConnection::connect() {
  close();
  if (const int code = ::ldap_initialize(&handle_, server_.url.c_str()); code != LDAP_SUCCESS) {
    handle_ = nullptr;
    return result_of(code, "initialize");
  }
  const int version = LDAP_VERSION3;
  const timeval timeout = to_timeval(timeout_);
  const int require = server_.verify ? LDAP_OPT_X_TLS_DEMAND : LDAP_OPT_X_TLS_NEVER;
  const int client_side = 0;
  ::ldap_set_option(handle_, LDAP_OPT_PROTOCOL_VERSION, &version);
  ::ldap_set_option(handle_, LDAP_OPT_NETWORK_TIMEOUT, &timeout);
  ::ldap_set_option(handle_, LDAP_OPT_TIMEOUT, &timeout);
  ::ldap_set_option(handle_, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
  ::ldap_set_option(handle_, LDAP_OPT_RESTART, LDAP_OPT_ON);
  ::ldap_set_option(handle_, LDAP_OPT_CONNECT_CB, &callbacks_->table);
  ::ldap_set_option(handle_, LDAP_OPT_X_TLS_REQUIRE_CERT, &require);
  if (!server_.ca.empty()) {
    ::ldap_set_option(handle_, LDAP_OPT_X_TLS_CACERTFILE, server_.ca.c_str());
  }
  // Last: it is made from the options above.
  ::ldap_set_option(handle_, LDAP_OPT_X_TLS_NEWCTX, &client_side);
  return server_.starttls ? result_of(::ldap_start_tls_s(handle_, nullptr, nullptr), "StartTLS")
                          : std::expected<void, LdapError>();
}

void LdapConnection::close() {
  {
    const std::lock_guard lock(mutex_);
    if (socket_) {
      // So that a farewell by TLS to a server that hangs waits for nothing.
      ::shutdown(socket_.get(), SHUT_RDWR);
    }
    socket_ = UniqueFd();
  }
  if (handle_ != nullptr) {
    ::ldap_unbind_ext(std::exchange(handle_, nullptr), nullptr, nullptr);
  }
}

std::expected<void, LdapError> LdapConnection::bind(const std::string& dn, const Secret& password) {
  if (password.empty() && !dn.empty()) {
    return std::unexpected(LdapError{.refused = true, .why = "an empty password"});
  }
  // libldap takes it as not const and does not change it.
  berval value{.bv_len = password.size(), .bv_val = const_cast<char*>(password.view().data())};
  return result_of(
      ::ldap_sasl_bind_s(handle_, dn.c_str(), LDAP_SASL_SIMPLE, &value, nullptr, nullptr, nullptr),
      "bind");
}

std::expected<std::vector<LdapConnection::Entry>, LdapError> LdapConnection::search(
    const std::string& base, LdapScope scope, const std::string& filter,
    const std::vector<std::string>& attributes) {
  constexpr int kMostEntries = 2;
  std::vector<char*> wanted;
  for (const std::string& attribute : attributes) {
    wanted.push_back(const_cast<char*>(attribute.c_str()));
  }
  wanted.push_back(nullptr);
  timeval timeout = to_timeval(timeout_);
  LDAPMessage* found = nullptr;
  const int code = ::ldap_search_ext_s(handle_, base.c_str(),
                                       scope == LdapScope::kSubtree ? LDAP_SCOPE_SUBTREE
                                       : scope == LdapScope::kOne   ? LDAP_SCOPE_ONELEVEL
                                                                    : LDAP_SCOPE_BASE,
                                       filter.c_str(), wanted.data(), 0, nullptr, nullptr, &timeout,
                                       kMostEntries, &found);
  const Message owned(found);
  if (code != LDAP_SUCCESS && code != LDAP_SIZELIMIT_EXCEEDED) {
    return std::unexpected(result_of(code, "search").error());
  }
  std::vector<Entry> entries;
  for (LDAPMessage* entry = ::ldap_first_entry(handle_, found); entry != nullptr;
       entry = ::ldap_next_entry(handle_, entry)) {
    Entry& one = entries.emplace_back();
    if (char* dn = ::ldap_get_dn(handle_, entry)) {
      one.dn = dn;
      ::ldap_memfree(dn);
    }
    for (const std::string& attribute : attributes) {
      if (berval** values = ::ldap_get_values_len(handle_, entry, attribute.c_str())) {
        for (int i = 0; values[i] != nullptr && i < kMostValues; ++i) {
          one.values[attribute].emplace_back(
              std::string_view(values[i]->bv_val, values[i]->bv_len));
        }
        ::ldap_value_free_len(values);
      }
    }
  }
  return entries;
}

void LdapConnection::interrupt() noexcept {
  const std::lock_guard lock(mutex_);
  if (socket_) {
    ::shutdown(socket_.get(), SHUT_RDWR);
  }
}

std::expected<void, LdapError> LdapConnection::result_of(int code, std::string_view what) {
  if (code == LDAP_SUCCESS) {
    return {};
  }
  // The server's own words are left out: they may repeat what was sent.
  return std::unexpected(LdapError{.refused = is_refusal(code),
                                   .why = fmt::format("{}: {}", what, ::ldap_err2string(code))});
}

}  // namespace headgate::sources
