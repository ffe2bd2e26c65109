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
#include "config/mechanism.h"
#include "config/srv.h"
#include "config/user_source.h"

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
  std::string ca;  // empty: none, with unknown_authorities alone
  bool required = false;
  unsigned depth = 4;  // intermediate authorities
  std::string crl;     // empty: none
  // Certificates of others pass the handshake and prove nothing.
  bool unknown_authorities = false;
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

// Whether certificates of the listener's clients prove anything.
inline bool verifies_clients(const Listener& listener) {
  return listener.client_certificates && !listener.client_certificates->ca.empty();
}

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
  bool allow_any_cert = false;  // a user source may ask for TLS without verification
  std::string ca;               // empty: the system's
  ForwardClient forward_client = ForwardClient::kId;
  BackendLogin login = BackendLogin::kPassword;  // where there is no master user
  Secret secret;                                 // kSecret, from `secret` or `secret_file`
  std::optional<Certificate> client_certificate;
  std::optional<Master> master;
  std::vector<Backend> backends;  // none: srv or the user sources name them
  std::optional<Srv> srv;
  unsigned max_sessions = 0;  // logged in; 0: no limit
  milliseconds connect_timeout{5000};
  milliseconds login_timeout{30000};  // connects, retries and login together
  unsigned ready_connections = 0;     // each worker, for each backend
  milliseconds ready_for{45000};      // how long one of them waits for a user
  milliseconds retry_after{1000};     // how long a backend that failed is tried last; grows to 30 s
  std::optional<Health> health;
  Admission admission;
  unsigned lost_sessions_rate = 200;  // ends a second of those whose backend broke; 0: all at once

  // Whether the backends let in anybody whom Headgate lets in.
  [[nodiscard]] bool trusts_headgate() const {
    return master || login == BackendLogin::kSecret || login == BackendLogin::kExternal;
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
  std::size_t buffer_size = 98304;
  bool own_tls_records = true;  // net/record_protocol.h
};

enum class TokenRole : std::uint8_t { kRead, kOperator };

// Lets its holder use the JSON API.
struct AdminToken {
  std::string name;
  TokenRole role = TokenRole::kRead;
  Secret token;  // from `token_file`
};

// What becomes of a move whose hook fails or whose hold lasts too long.
enum class WhenMoveFails : std::uint8_t { kUndo, kComplete };

// Called for each user who is moved. Exactly one of command and url is set.
struct MoveHook {
  std::vector<std::string> command;  // the program's path first
  std::optional<Url> url;
  std::vector<HttpHeader> headers;
  bool verify = true;
  std::string ca;  // empty: the system's
  milliseconds timeout{30000};
};

// How users are moved from one backend to another.
struct Moves {
  unsigned rate = 10;      // users a second
  unsigned parallel = 20;  // users at a time
  seconds hold{60};
  std::size_t max_waiting = 1000;  // logins
  milliseconds settle{1000};
  WhenMoveFails when_failed = WhenMoveFails::kUndo;
  std::optional<MoveHook> hook;
};

struct Admin {
  std::vector<LocalAddress> addresses;
  unsigned socket_mode = 0600;              // bits of the files of Unix sockets
  std::optional<std::string> socket_group;  // not set: that of the process
  std::vector<AdminToken> tokens;
  std::string state_file;   // empty: what operators have set ends with the process
  unsigned move_rate = 50;  // sessions a second
  Moves moves;
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
