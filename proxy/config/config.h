#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/url.h"
#include "config/admission.h"
#include "config/dovecot_auth.h"
#include "config/mechanism.h"

// The whole configuration as plain constants. What a key means, its default, unit and bounds stand
// in one table (schema.cc), from which the parser, docs/configuration.md, conf/headgate.yaml and
// conf/headgate.schema.json all come.
namespace headgate::config {

using std::chrono::milliseconds;
using std::chrono::seconds;

enum class TlsMode : std::uint8_t { kNone, kStartTls, kImplicit };
enum class Policy : std::uint8_t {
  kUserHash,
  kLeastSessions,
  kPowerOfTwo,
  kRoundRobin,
  kRandom,
  kFirst,
  kSourceHash,
};
enum class HashInput : std::uint8_t { kUser, kWithoutDetail, kDomain };
enum class Failback : std::uint8_t { kWhenIdle, kAtOnce };
// What becomes of a login of a user who has sessions_per_user sessions.
enum class OverUserLimit : std::uint8_t { kRefuse, kEndOldestIdle };
enum class ForwardClient : std::uint8_t { kNone, kId };

// How users are logged in at a pool's backends.
enum class BackendLogin : std::uint8_t {
  kPassword,  // with the client's password
  kToken,     // with the client's password or token
  kSecret,    // with one secret for all users
  kExternal,  // by Headgate's certificate (SASL EXTERNAL)
};

// 127.0.0.0/8 and ::1.
std::vector<Network> loopback_networks();

struct ProxyProtocol {
  std::vector<Network> trusted;
  milliseconds timeout{3000};
};

// What the certificates of a listener's clients have to be.
struct ClientCertificates {
  std::string ca;
  bool required = false;
  unsigned depth = 4;  // intermediate authorities
  std::string crl;     // empty: none
};

struct Listener {
  std::string name;
  Endpoint address;
  TlsMode tls = TlsMode::kImplicit;
  std::optional<ProxyProtocol> proxy_protocol;
  std::optional<ClientCertificates> client_certificates;
  int backlog = 4096;
  unsigned max_sessions = 0;    // logged in; 0: no limit
  std::vector<Mechanism> sasl;  // empty: all that the user sources can serve
};

struct Certificate {
  std::string certificate;
  std::string key;
};

struct Tls {
  std::vector<Certificate> certificates;
  std::string minimum_version = "1.2";
  std::string ciphers;
  std::string cipher_suites;
  std::string groups;
  unsigned session_tickets = 1;
};

struct Backend {
  HostPort address;
  unsigned weight = 100;      // 0: no new users
  bool backup = false;        // only while no other one is up
  unsigned share = 0;         // hundredths of a per cent of the pool's users; 0: goes by policy
  unsigned max_sessions = 0;  // 0: no limit
};

// Users that live on one backend whatever the policy says. Exactly one of user, domain and pattern
// is set; domain and pattern as in Route.
struct Pin {
  std::string user;  // without regard to case
  std::string domain;
  std::string pattern;
  HostPort backend;       // one of the pool's
  bool fallback = false;  // when it is down, the policy decides
};

// A master user logs in on behalf of the user: by SASL PLAIN with an authorization identity, or as
// USER, separator, MASTER.
struct Master {
  std::string user;
  Secret password;        // from `password` or the file `password_file`
  std::string separator;  // empty: by an authorization identity
};

// How far a health check goes: TCP (and TLS where it comes first), the greeting, a login, a
// mailbox.
enum class CheckLevel : std::uint8_t { kConnect, kGreeting, kLogin, kMailbox };

// Backends that are slow but not dead.
struct Slow {
  unsigned multiple = 3;       // of the median of the pool's other backends
  milliseconds above{250};     // below that nothing is slow
  seconds window{60};          // over which the logins are looked at
  unsigned least_logins = 20;  // in the window; with fewer nothing is said
  unsigned most_share = 3000;  // hundredths of a per cent of the pool's weight, away at once
};

// Health checks of a pool's backends and what follows from them.
struct Health {
  CheckLevel level = CheckLevel::kGreeting;
  std::string user;  // the test account; its password is from `password` or `password_file`
  Secret password;
  milliseconds interval{5000};
  milliseconds failed_interval{1000};  // the same after a check that failed
  milliseconds timeout{3000};          // of a whole check
  unsigned rise = 2;                   // checks passed in a row that bring a backend back
  unsigned fall = 3;                   // checks failed in a row that take it out
  milliseconds slow_start{30000};      // until a backend that is back has its whole weight
  unsigned panic_below = 5000;         // hundredths of a per cent of the pool's weight; 0: never
  std::optional<Slow> slow;
  milliseconds end_sessions_over{0};  // of a backend that was taken out; 0: they go on
};

struct Pool {
  std::string name;
  Policy policy = Policy::kUserHash;
  HashInput hash = HashInput::kUser;
  unsigned load_bound = 0;  // per cent of a backend's share of the sessions; 0: none
  Failback failback = Failback::kWhenIdle;
  std::vector<Pin> pins;
  TlsMode tls = TlsMode::kNone;
  bool verify = true;
  std::string ca;  // empty: the system's
  ForwardClient forward_client = ForwardClient::kId;
  BackendLogin login = BackendLogin::kPassword;  // where there is no master user
  Secret secret;                                 // kSecret, from `secret` or `secret_file`
  std::optional<Certificate> client_certificate;
  std::optional<Master> master;
  std::vector<Backend> backends;  // none: the user sources name them
  unsigned max_sessions = 0;      // logged in; 0: no limit
  milliseconds connect_timeout{5000};
  milliseconds login_timeout{30000};  // connects, retries and login together
  unsigned ready_connections = 0;     // each worker, for each backend
  milliseconds ready_for{45000};      // how long one of them waits for a user
  milliseconds retry_after{1000};     // how long a backend that failed is tried last; grows to 30 s
  std::optional<Health> health;
  Admission admission;

  // Whether the backends let in anybody whom Headgate lets in.
  [[nodiscard]] bool trusts_headgate() const {
    return master || login == BackendLogin::kSecret || login == BackendLogin::kExternal;
  }
};

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

struct Sql {
  SqlDriver driver = SqlDriver::kSqlite;
  std::string path;  // sqlite; what follows until `options` is for the others
  std::string host;
  unsigned port = 0;  // 0: the driver's own
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

struct Ldap {
  std::vector<std::string> servers;  // "ldap://HOST:PORT", "ldaps://HOST:PORT"
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
  unsigned backend_port = 143;
  unsigned connections = 4;
};

struct HttpHeader {
  std::string name;
  Secret value;
};

// How a source asks its servers over HTTP.
struct HttpLookup {
  std::vector<Url> more;            // servers beside `url`
  bool spread = false;              // each look-up begins with another server
  milliseconds timeout{5000};       // a look-up in all
  milliseconds hedge_after{300};    // until the next server is asked as well; 0: never
  bool keep_alive = true;           // connections serve more than one request
  bool verify = true;               // https
  std::string ca;                   // empty: the system's
  std::vector<HttpHeader> headers;  // go with each request
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

struct UserSource {
  SourceKind kind = SourceKind::kBackend;
  std::string name;  // in metrics and logs; unique
  // Empty: the first pool (auth_http alone).
  std::string pool;  // where users of this source go unless a route or the source says otherwise
  std::string path;  // passwd_file
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

// The first route that matches the user name decides the pool; before users[].pool, after a pool or
// backend that the source itself names. Exactly one of domain and pattern is set; see pattern.h.
struct Route {
  std::string domain;   // what follows the last '@', without regard to case
  std::string pattern;  // ECMAScript regular expression over the whole user name, likewise
  std::string pool;
};

enum class WithoutPolicy : std::uint8_t { kAllow, kRefuse };

// A server that has a say in logins, and is told how they ended.
struct PolicyServer {
  std::optional<Url> url;  // always set
  std::vector<HttpHeader> headers;
  bool check = true;   // it is asked before the user sources are
  bool report = true;  // it is told afterwards
  milliseconds timeout{2000};
  WithoutPolicy without_answer = WithoutPolicy::kAllow;
  std::vector<Network> exempt = loopback_networks();
  Secret nonce;  // from `nonce` or `nonce_file`
  unsigned hash_bits = 12;
  bool verify = true;  // https
  std::string ca;      // empty: the system's
};

// Everything about the time before login.
struct Login {
  seconds timeout{60};                        // whole time before login, whatever the client sends
  std::size_t max_line = 8192;                // bytes of a command line without its literals
  std::size_t max_literal = 4096;             // bytes of one literal
  std::size_t max_sasl = 16384;               // bytes of a line with a token
  std::size_t max_total = 65536;              // bytes before login in all
  std::size_t max_sessions = 10000;           // sessions before login in all; the oldest gives way
  unsigned max_failures = 3;                  // failed logins, then BYE
  unsigned max_bad_commands = 3;              // commands answered BAD, then BYE
  milliseconds failure_delay{2000};           // before the reply to a wrong password
  std::vector<std::string> capabilities_add;  // `capabilities: {add: […], remove: […]}`
  std::vector<std::string> capabilities_remove;
  std::string greeting = "Headgate ready.";  // human-readable text
  std::optional<PolicyServer> policy;
};

// From how many failed logins on something happens.
struct GuessLimit {
  unsigned free = 0;   // without any consequence
  unsigned limit = 0;  // then logins are refused; 0: never
};

// Against those who guess passwords.
struct Guessing {
  bool enabled = true;
  GuessLimit address{.free = 20, .limit = 200};
  GuessLimit user{.free = 10, .limit = 100};
  GuessLimit pair{.free = 5, .limit = 20};
  seconds forget{3600};             // a count falls from its limit to nothing
  seconds remember{7 * 24 * 3600};  // after a login a user is known at an address
  milliseconds max_delay{15000};
  unsigned parallel = 1000;        // logins under way from one address
  unsigned parallel_suspect = 10;  // the same once it has used up its free failures
  std::vector<Network> exempt = loopback_networks();
  std::size_t entries = 262'144;  // of each kind
};

// Limits on sessions that are logged in, each 0 for none. A network is a client's address cut to
// the prefix.
struct Limits {
  unsigned sessions_per_user = 0;
  OverUserLimit over_user_limit = OverUserLimit::kRefuse;
  milliseconds idle_for{60000};  // from when on kEndOldestIdle may end a session
  unsigned sessions_per_user_and_network = 0;
  unsigned sessions_per_network = 0;
  unsigned ipv4_prefix = 32;
  unsigned ipv6_prefix = 64;
  std::vector<Network> exempt;  // from the limits by network: webmail
};

struct Relay {
  seconds idle_timeout{1860};          // 31 minutes: longer than IDLE's 29 (RFC 2177)
  seconds idle_command_timeout{1860};  // the same while the client waits in IDLE, if longer
  seconds stall_timeout{300};          // a side that takes no bytes while some wait for it
  seconds half_close_timeout{30};      // the other direction after one side ended
  seconds keepalive{120};              // TCP keepalive idle time; 0: off
  std::size_t buffer_size = 262144;
};

enum class TokenRole : std::uint8_t { kRead, kOperator };

// Lets its holder use the JSON API.
struct AdminToken {
  std::string name;
  TokenRole role = TokenRole::kRead;
  Secret token;  // from `token_file`
};

struct Admin {
  std::optional<Endpoint> address;
  std::vector<AdminToken> tokens;
  std::string state_file;   // empty: what operators have set ends with the process
  unsigned move_rate = 50;  // sessions a second
};

struct Log {
  log::Level level = log::Level::kInfo;
  log::Format format = log::Format::kText;
};

struct Config {
  std::string file;
  unsigned workers = 0;  // 0: one per core
  std::vector<Listener> listeners;
  Tls tls;
  std::vector<Pool> pools;
  std::vector<UserSource> users;
  std::vector<Route> routes;
  Login login;
  Limits limits;
  Guessing guessing;
  Relay relay;
  Admin admin;
  Log log;
};

struct Error {
  std::string file;
  int line = 0;          // from 1; 0: the file as a whole
  std::string key;       // "pools.main.backends[1].weight"; empty: the file as a whole
  std::string expected;  // "a whole number from 0 to 10000, found 'heavy'"
  [[nodiscard]] std::string to_string() const;  // "FILE:LINE: KEY: expected …"
};

// Reads and checks everything that can be known without other machines, files named in it included
// (certificates readable, passwd files readable). All errors at once, in file order.
std::expected<Config, std::vector<Error>> load(const std::string& file);

// Whether the files that a configuration names are opened.
enum class Files : std::uint8_t { kCheck, kIgnore };

// The same for a text; `file` is its name in errors and where its relative paths begin. With
// kIgnore a password that stands in a file of its own stays empty.
std::expected<Config, std::vector<Error>> load_text(const std::string& file,
                                                    const std::string& text,
                                                    Files files = Files::kCheck);

// The key words of the choices, as they stand in the file.
std::string_view name(TlsMode mode);
std::string_view name(Policy policy);
std::string_view name(HashInput input);
std::string_view name(ForwardClient forward);
std::string_view name(SourceKind kind);
std::string_view name(CheckLevel level);
std::string_view name(SqlDriver driver);

}  // namespace headgate::config
