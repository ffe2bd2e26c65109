#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/secret.h"
#include "base/url.h"
#include "config/dovecot_auth.h"

// Who users are and where their mailboxes live: what `users` says.
namespace headgate::config {

using std::chrono::milliseconds;
using std::chrono::seconds;

enum class SourceKind : std::uint8_t {
  kBackend,
  kPasswdFile,
  kSql,
  kLdap,
  kMap,
  kAuthHttp,
  kOauth,
  kPam,
  kCertificate,
  kDovecotAuth
};

// When a source that fails is left alone.
struct Breaker {
  unsigned failures = 5;  // in a row
  milliseconds pause{1000};
  milliseconds longest_pause{30000};
};

struct Cache {
  std::size_t entries = 100'000;
  seconds ttl{300};
  seconds negative_ttl{10};
};

enum class SqlDriver : std::uint8_t { kPostgresql, kMysql, kSqlite };

// One database server of several.
struct SqlHost {
  std::string host;   // name, address, or absolute path of a Unix socket or its folder
  unsigned port = 0;  // 0: that of all
  friend bool operator==(const SqlHost&, const SqlHost&) = default;
};

struct Sql {
  SqlDriver driver = SqlDriver::kSqlite;
  std::string path;  // sqlite; what follows until `options` is for the others
  std::string host;  // empty: there are several
  std::vector<SqlHost> hosts;
  unsigned port = 0;              // 0: the driver's own
  milliseconds hedge_after{500};  // until the next server is asked as well; 0: as late as can be
  std::string database;
  std::string user;
  Secret password;  // from `password` or the file `password_file`
  std::string options;
  std::string query;
  unsigned connections = 4;
  bool check_password = true;  // false: the backend checks
};

enum class LdapScope : std::uint8_t { kSubtree, kOne, kBase };
enum class LdapPasswords : std::uint8_t { kBind, kFetch, kBackend };

struct LdapForward {
  std::string key;  // 1 to 20 letters, digits, '-' and '_'
  std::string attribute;
};

struct Ldap {
  std::vector<std::string> servers;  // "ldap://HOST:PORT", "ldaps://HOST:PORT"
  milliseconds hedge_after{500};     // until the next server is asked as well; 0: as late as can be
  bool starttls = false;
  bool verify = true;
  std::string ca;       // empty: the system's
  std::string bind_dn;  // empty: anonymous
  Secret bind_password;
  std::string base;
  LdapScope scope = LdapScope::kSubtree;
  std::string filter;
  LdapPasswords passwords = LdapPasswords::kBind;
  std::string password_attribute = "userPassword";
  std::string app_password_attribute;
  std::string totp_attribute;
  std::string user_attribute;
  std::string pool_attribute;
  std::string backend_attribute;
  std::string max_sessions_attribute;
  std::vector<LdapForward> forward_attributes;  // at most 8
  unsigned backend_port = 143;
  unsigned connections = 4;
};

struct HttpHeader {
  std::string name;
  Secret value;
};

// Which logins an auth server can judge, by nginx's names for them.
enum class AuthMethod : std::uint8_t { kPlain, kCramMd5, kExternal, kToken };

// How a source asks its servers over HTTP.
struct HttpLookup {
  std::vector<AuthMethod> methods = {AuthMethod::kPlain};
  bool pass_client_cert = false;    // in PEM, beside what stands in it
  std::vector<Url> more;            // servers beside `url`
  bool spread = false;              // each look-up begins with another server
  milliseconds timeout{5000};       // a look-up in all
  milliseconds hedge_after{300};    // until the next server is asked as well; 0: never
  bool keep_alive = true;           // connections serve more than one request
  bool verify = true;               // https
  std::string ca;                   // empty: the system's
  std::vector<HttpHeader> headers;  // go with each request

  [[nodiscard]] bool judges(AuthMethod method) const {
    return std::ranges::find(methods, method) != methods.end();
  }
};

// Whom to ask about a token.
struct Introspection {
  std::optional<Url> url;  // always set
  std::string client_id;   // empty: the server asks nobody who he is
  Secret client_secret;
};

// How bearer tokens are checked: by keys, by asking, or by both.
struct Oauth {
  std::vector<std::string> issuer;
  std::vector<std::string> audience;
  std::vector<std::string> scopes;
  std::string keys;  // a file
  std::optional<Url> keys_url;
  seconds keys_ttl{3600};
  std::optional<Introspection> introspection;
  std::string user_claim = "email";
  bool match_user = true;
  seconds leeway{30};
  milliseconds timeout{5000};
  std::string ca;  // empty: the system's
};

// Which of PAM's services checks passwords, and how.
struct Pam {
  std::string service;
  std::string directory;  // empty: the system's
  unsigned processes = 4;
};

enum class CertificateField : std::uint8_t { kCommonName, kEmail, kUid, kAltEmail, kAltUpn };

// Whose a client's certificate is.
struct CertificateRule {
  CertificateField field = CertificateField::kAltEmail;
  std::string pattern;  // see pattern.h
  std::string rewrite;  // empty: the name as it stands
};

// One rule of a source `map`; exactly one of user, domain and pattern is set.
struct MapRule {
  std::string user;
  std::string domain;
  std::string pattern;  // see pattern.h
  std::string pool;
  std::optional<HostPort> backend;
  std::string rewrite;  // name for the backend; empty: the client's
  int line = 0;         // in the file where it stands; 0: in the configuration
};

// More rules, in a file of their own.
struct MapFile {
  std::string path;            // empty: there is none
  std::vector<MapRule> rules;  // empty where files are not opened
};

// Pools that a source asks behind its own.
struct BackendChain {
  std::vector<std::string> then;
  seconds remember{86400};  // 0: never
  std::size_t entries = 100'000;
  bool keep = true;  // over a restart, beside admin.state_file
};

struct UserSource {
  SourceKind kind = SourceKind::kBackend;
  std::string name;  // in metrics and logs; unique
  // Empty: the first pool (auth_http alone).
  std::string pool;  // where users of this source go unless a route or the source says otherwise
  std::optional<BackendChain> backend;  // backend: more pools than one
  std::string path;                     // passwd_file
  bool app_passwords_need_code = true;  // passwd_file, sql, ldap
  milliseconds deadline{10000};
  std::size_t max_parallel = 64;  // each worker
  std::size_t max_queue = 1000;   // each worker
  Breaker breaker;
  std::optional<Cache> cache;
  std::optional<Sql> sql;
  std::optional<Ldap> ldap;
  std::vector<MapRule> map;
  MapFile map_file;
  std::optional<Url> url;  // auth_http, as is what follows
  HttpLookup http;
  std::optional<Oauth> oauth;
  std::optional<Pam> pam;
  std::optional<DovecotAuth> dovecot_auth;
  CertificateRule certificate;

  // Whether only the backend checks the password.
  [[nodiscard]] bool trusts_backend() const {
    return kind == SourceKind::kBackend || kind == SourceKind::kMap ||
           (dovecot_auth && !dovecot_auth->checks_passwords) || (sql && !sql->check_password) ||
           (ldap && ldap->passwords == LdapPasswords::kBackend);
  }
};

}  // namespace headgate::config
