#include "config/schema.h"

#include <fmt/format.h>

#include "config/admin.h"
#include "config/guessing.h"
#include "config/login.h"
#include "config/mechanisms.h"
#include "config/pool_admission.h"
#include "config/pool_health.h"
#include "config/pool_srv.h"
#include "config/scalars.h"
#include "config/user_sources.h"

// A new key is one entry here and one member in config.h; parser, documentation, example and JSON
// Schema follow. Defaults are those of the members.
namespace headgate::config {
namespace {

using namespace std::chrono_literals;

constexpr unsigned kMostReadyConnections = 1000;
constexpr unsigned kMostEndsASecond = 100'000;

const Choices<TlsMode> kTlsModes = {
    {"none", TlsMode::kNone}, {"starttls", TlsMode::kStartTls}, {"implicit", TlsMode::kImplicit}};
const Choices<Policy> kPolicies = {
    {"user_hash", Policy::kUserHash},      {"least_sessions", Policy::kLeastSessions},
    {"power_of_two", Policy::kPowerOfTwo}, {"round_robin", Policy::kRoundRobin},
    {"random", Policy::kRandom},           {"first", Policy::kFirst},
    {"source_hash", Policy::kSourceHash}};
const Choices<HashInput> kHashInputs = {{"user", HashInput::kUser},
                                        {"without_detail", HashInput::kWithoutDetail},
                                        {"domain", HashInput::kDomain}};
const Choices<Failback> kFailbacks = {{"when_idle", Failback::kWhenIdle},
                                      {"at_once", Failback::kAtOnce}};
const Choices<ForwardClient> kForwards = {{"none", ForwardClient::kNone},
                                          {"id", ForwardClient::kId}};
const Choices<Mechanism> kMechanisms = {{"PLAIN", Mechanism::kPlain},
                                        {"LOGIN", Mechanism::kLogin},
                                        {"XOAUTH2", Mechanism::kXoauth2},
                                        {"OAUTHBEARER", Mechanism::kOauthbearer},
                                        {"SCRAM-SHA-256-PLUS", Mechanism::kScramSha256Plus},
                                        {"SCRAM-SHA-1-PLUS", Mechanism::kScramSha1Plus},
                                        {"SCRAM-SHA-256", Mechanism::kScramSha256},
                                        {"SCRAM-SHA-1", Mechanism::kScramSha1},
                                        {"CRAM-MD5", Mechanism::kCramMd5},
                                        {"DIGEST-MD5", Mechanism::kDigestMd5},
                                        {"GSSAPI", Mechanism::kGssapi},
                                        {"GSS-SPNEGO", Mechanism::kGssSpnego},
                                        {"EXTERNAL", Mechanism::kExternal}};

// A SASL name in capitals (RFC 4422, section 3.1).
bool is_mechanism_name(std::string_view text) {
  return !text.empty() && text.size() <= 20 && std::ranges::all_of(text, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

// One of those, or the name of another one.
Type<Mechanism> mechanism_type() {
  Type<Mechanism> known = choice(kMechanisms);
  TypeInfo info{Shape::kScalar,
                known.info.expected + ", or the name of another one in capitals",
                R"("type": "string", "pattern": "^[A-Z0-9_-]{1,20}$")",
                nullptr,
                {}};
  auto read = [expected = info.expected](Reader& reader, const Value& value, Mechanism& out) {
    if (!reader.enter(value)) {
      return false;
    }
    if (!value.node.IsScalar() || !is_mechanism_name(value.node.Scalar())) {
      reader.expected(value, expected);
      return false;
    }
    const std::string& text = value.node.Scalar();
    const auto at = std::ranges::find(kMechanisms, std::string_view(text),
                                      &Choices<Mechanism>::value_type::first);
    out = at != kMechanisms.end() ? at->second : Mechanism(text);
    return true;
  };
  return {std::move(info), std::move(read),
          [](const Mechanism& mechanism) { return std::string(name(mechanism)); }};
}

const Choices<BackendLogin> kBackendLogins = {{"password", BackendLogin::kPassword},
                                              {"token", BackendLogin::kToken},
                                              {"secret", BackendLogin::kSecret},
                                              {"external", BackendLogin::kExternal}};
const Choices<std::string> kTlsVersions = {{"1.2", "1.2"}, {"1.3", "1.3"}};
const Choices<log::Level> kLogLevels = {{"debug", log::Level::kDebug},
                                        {"info", log::Level::kInfo},
                                        {"warning", log::Level::kWarning},
                                        {"error", log::Level::kError}};
const Choices<log::Format> kFormats = {{"text", log::Format::kText}, {"json", log::Format::kJson}};

Type<Listener> listener_type() {
  const auto proxy_protocol = section<ProxyProtocol>({
      key("trusted", &ProxyProtocol::trusted,
          list_of(network(), "a list of at least one network in CIDR form", 1),
          "Networks of the load balancers. A connection from anywhere else is refused, since its "
          "header could claim any client address.",
          {.required = true, .example = R"(["10.0.0.0/8"])"}),
      key("timeout", &ProxyProtocol::timeout, duration(100ms, 60s),
          "How long the header may take to arrive."),
  });
  return section<Listener>({
      key("name", &Listener::name, name_text(), "Name in logs and metrics.",
          {.required = true, .example = "imaps"}),
      key("address", &Listener::address, endpoint(), "Where to listen. Port 0: any free port.",
          {.required = true, .example = R"("0.0.0.0:993")"}),
      key("tls", &Listener::tls, choice(kTlsModes),
          "implicit: TLS from the first byte. starttls: in the clear until STARTTLS, logins "
          "refused "
          "before it. none: never TLS; passwords travel in the clear.",
          {.shown = true}),
      key("proxy_protocol", &Listener::proxy_protocol, proxy_protocol,
          "The listener stands behind a load balancer that sends a PROXY header, version 1 or 2, "
          "with "
          "the client's address."),
      key("client_certificates", &Listener::client_certificates, client_certificates_type(),
          "Clients are asked for certificates, by which they can log in with EXTERNAL (source "
          "certificate). Not set: they are not."),
      key("backlog", &Listener::backlog, number(1, 65535),
          "Connections that the kernel keeps until they are accepted; net.core.somaxconn limits it "
          "as well."),
      key("max_sessions", &Listener::max_sessions, number(0U, kMostSessions),
          "Sessions that are logged in by this listener; further logins are refused. 0: no limit."),
      key("sasl", &Listener::sasl,
          list_of(mechanism_type(), "a list of at least one SASL mechanism", 1),
          "SASL mechanisms to offer, in this order; without PLAIN and LOGIN the command LOGIN is "
          "off "
          "as well. Not set: all that the user sources can serve for every user. SCRAM and "
          "CRAM-MD5 are offered only where they are named here, since they need passwords that "
          "are stored in the clear or, for SCRAM, as SCRAM's own keys; so are DIGEST-MD5, GSSAPI, "
          "GSS-SPNEGO and others by their names (OTP, NTLM, …), which source dovecot_auth alone "
          "can "
          "judge. The -PLUS ones are tied to the TLS "
          "connection.",
          {.example = "[PLAIN, OAUTHBEARER]"}),
  });
}

Type<Certificate> certificate_type() {
  return section<Certificate>({
      key("certificate", &Certificate::certificate, file("a PEM file that can be read"),
          "PEM file: the certificate, then its chain.",
          {.required = true, .example = "fullchain.pem"}),
      key("key", &Certificate::key, file("a PEM file that can be read"),
          "PEM file: the private key, not encrypted.",
          {.required = true, .example = "privkey.pem"}),
  });
}

Type<Tls> tls_type() {
  return section<Tls>({
      key("certificates", &Tls::certificates, list_of(certificate_type(), "a list of certificates"),
          "What listeners with TLS show to clients. An RSA and an ECDSA certificate may stand side "
          "by "
          "side.",
          {.shown = true}),
      key("minimum_version", &Tls::minimum_version, choice(kTlsVersions),
          "The oldest TLS version that a client may use."),
      key("ciphers", &Tls::ciphers, text("an OpenSSL cipher list", 4096),
          "TLS 1.2 ciphers in OpenSSL's syntax. Not set: ours.",
          {.example = R"("ECDHE+AESGCM:ECDHE+CHACHA20")"}),
      key("cipher_suites", &Tls::cipher_suites, text("a list of TLS 1.3 cipher suites", 4096),
          "TLS 1.3 cipher suites in OpenSSL's syntax. Not set: OpenSSL's.",
          {.example = R"("TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256")"}),
      key("groups", &Tls::groups, text("a list of key exchange groups", 4096),
          "Key exchange groups in OpenSSL's syntax. Not set: OpenSSL's.",
          {.example = R"("X25519:P-256")"}),
      key("session_tickets", &Tls::session_tickets, number(0U, 16U),
          "Session tickets that a client gets with each full TLS 1.3 handshake. 0: no resumption."),
  });
}

void check_master(Reader& reader, const std::string& path, const Master&) {
  if (reader.has(path + ".password") == reader.has(path + ".password_file")) {
    reader.refuse(path, "either password or password_file");
  }
}

Type<Backend> backend_type() {
  return section<Backend>({
      key("address", &Backend::address, host_port(),
          "Host name or address, and port. The text decides which users live here: the same place "
          "under another name is another backend.",
          {.required = true, .example = R"("127.0.1.1:10143")"}),
      key("weight", &Backend::weight, number(0U, 10000U),
          "Share of the users, relative to the other weights of the pool. 0: no new users."),
      key("backup", &Backend::backup, boolean(), "Used only while no other backend is up."),
      key("share", &Backend::share, percentage(),
          "A canary: it gets this share of the pool's users, always the same ones, and nobody "
          "else. 0%: it goes by policy and weight."),
      key("max_sessions", &Backend::max_sessions, number(0U, kMostSessions),
          "Sessions logged in or logging in at this backend; users without sessions go elsewhere, "
          "and are refused when all are full. 0: no limit."),
  });
}

void check_pin(Reader& reader, const std::string& path, const Pin&) {
  const auto has = [&](std::string_view key) {
    return reader.has(fmt::format("{}.{}", path, key));
  };
  if (has("user") + has("domain") + has("pattern") != 1) {
    reader.refuse(path, "exactly one of user, domain and pattern");
  }
}

Type<Pin> pin_type() {
  return section<Pin>(
      {
          key("user", &Pin::user, text("a user name"), "The user, without regard to case.",
              {.example = "alice@example.org"}),
          key("domain", &Pin::domain, domain(),
              "Users with this domain behind the last '@', without regard to case.",
              {.example = "example.org"}),
          key("pattern", &Pin::pattern, pattern(),
              "Users whose whole name matches this regular expression; as in routes.",
              {.example = R"("[a-m].*@example[.]net")"}),
          key("backend", &Pin::backend, host_port(), "Address of one of the pool's backends.",
              {.required = true, .example = R"("127.0.1.1:10143")"}),
          key("fallback", &Pin::fallback, boolean(),
              "Whether the policy decides while that backend is down. false: logins fail until it "
              "is back."),
      },
      check_pin);
}

void check_pool(Reader& reader, const std::string& path, const Pool& pool) {
  const auto refuse = [&](std::string_view key, std::string what) {
    reader.refuse(fmt::format("{}.{}", path, key), std::move(what));
  };
  const bool secret = reader.has(path + ".secret");
  const bool secret_file = reader.has(path + ".secret_file");
  const bool external = pool.login == BackendLogin::kExternal;
  if (pool.login == BackendLogin::kSecret ? secret == secret_file : secret || secret_file) {
    refuse(secret_file ? "secret_file" : "secret",
           "either secret or secret_file with login secret, and neither with another login");
  }
  if (external && !reader.has(path + ".client_certificate")) {
    refuse("login", "a section client_certificate with login external, found none");
  }
  if (pool.client_certificate && pool.tls == TlsMode::kNone) {
    refuse("client_certificate", "no certificate in a pool with tls none, which cannot show it");
  }
  if (pool.allow_any_cert && pool.tls == TlsMode::kNone) {
    refuse("allow_any_cert", "false in a pool with tls none, which has no certificates to verify");
  }
  if (pool.master && (pool.login == BackendLogin::kSecret || external)) {
    refuse("login", "login password or token beside a master user");
  }
  check_admission(reader, path, pool);
}

Type<Pool> pool_type() {
  const auto master = section<Master>(
      {
          key("user", &Master::user, text("a user name"), "Name of the master user.",
              {.required = true, .example = "headgate"}),
          key("password", &Master::password, secret(),
              "Password of the master user; either this or password_file.",
              {.secret = true, .example = "secret"}),
          key("password_file", &Master::password, secret_file(),
              "File whose first line is the password.",
              {.secret = true, .example = "master.password"}),
          key("separator", &Master::separator, text("a separator", 8),
              "Log in as USER*MASTER instead, with this in the place of the '*', at backends that "
              "take no authorization identity. Users whose name holds it are refused.",
              {.example = R"("*")"}),
      },
      check_master);
  return section<Pool>(
      {
          key("policy", &Pool::policy, choice(kPolicies),
              "How a backend is chosen for a user without sessions. user_hash: the same user "
              "always "
              "gets the same one, and a changed list moves as few users as possible. "
              "least_sessions: "
              "the one with the fewest sessions by weight. power_of_two: of two drawn by weight "
              "the "
              "one with fewer. round_robin: in turns. random: drawn by weight. first: the first of "
              "the "
              "list that is up and not full. source_hash: as user_hash, but of the client's "
              "address "
              "(IPv6: its /64). Whatever the policy, all sessions of a user at one time go to one "
              "backend.",
              {.shown = true}),
          key("hash", &Pool::hash, choice(kHashInputs),
              "What user_hash and shares hash, in lower case. user: the whole name. "
              "without_detail: "
              "alice+lists@example.org as alice@example.org. domain: users of a domain stay "
              "together."),
          key("load_bound", &Pool::load_bound, load_bound(),
              "With user_hash: no backend takes new users beyond this many per cent of its share "
              "of "
              "the pool's sessions; they go to their next one. Users with sessions stay. 0: no "
              "bound."),
          key("failback", &Pool::failback, choice(kFailbacks),
              "When users return to a backend that had failed. when_idle: once their last session "
              "has "
              "ended. at_once: with their next login; their other sessions are ended then."),
          key("pins", &Pool::pins, list_of(pin_type(), "a list of pins"),
              "Users that live on one backend whatever the policy says; the first that matches "
              "counts."),
          key("tls", &Pool::tls, choice(kTlsModes), "TLS to the backends of this pool."),
          key("verify", &Pool::verify, boolean(),
              "Whether a backend must show a valid certificate for its host name."),
          key("allow_any_cert", &Pool::allow_any_cert, boolean(),
              "Whether a user source may ask for TLS without a look at the backend's certificate "
              "(source dovecot_auth: the passdb's ssl=any-cert). Who can pass for such a backend "
              "gets the user's password and mail. false: it is verified all the same."),
          key("ca", &Pool::ca, file("a PEM file that can be read"),
              "PEM file with the authorities to trust. Not set: the system's.",
              {.example = "ca.pem"}),
          key("forward_client", &Pool::forward_client, choice(kForwards),
              "How the backend learns the client's address. id: by the ID command, when the "
              "backend "
              "lists ID and trusts Headgate. none: not at all."),
          key("login", &Pool::login, choice(kBackendLogins),
              "How users are logged in where there is no master user. password: with their own. "
              "token: "
              "with their own password or token, as they came (XOAUTH2, OAUTHBEARER). secret: with "
              "one "
              "password for all of them. external: by SASL EXTERNAL with client_certificate and "
              "the "
              "user as authorization identity. The last two need a source that checks."),
          key("secret", &Pool::secret, secret("a password"),
              "login secret: the password; or secret_file.", {.secret = true, .example = "secret"}),
          key("secret_file", &Pool::secret, secret_file(), "File whose first line is the password.",
              {.secret = true, .example = "pool.secret"}),
          key("client_certificate", &Pool::client_certificate, certificate_type(),
              "Headgate's own certificate, shown to backends that ask for one."),
          key("master", &Pool::master, master,
              "A user that logs in on behalf of the others (SASL PLAIN with an authorization "
              "identity). "
              "Needs a source that checks passwords."),
          key("backends", &Pool::backends, list_of(backend_type(), "a list of backends"),
              "The mail servers of the pool. May be left out where only source auth_http or "
              "dovecot_auth leads, "
              "which "
              "names the backend.",
              {.shown = true, .more = R"({address: "127.0.1.2:10143", weight: 200})"}),
          key("srv", &Pool::srv, srv_type(),
              "The backends are those that DNS names, in place of a list."),
          key("max_sessions", &Pool::max_sessions, number(0U, kMostSessions),
              "Sessions that are logged in to the pool; further logins are refused. 0: no limit."),
          key("connect_timeout", &Pool::connect_timeout, duration(50ms, 60s),
              "How long one backend may take to accept a connection, TLS included."),
          key("login_timeout", &Pool::login_timeout, duration(100ms, 10min),
              "Time for connects, retries and login at backends together."),
          key("ready_connections", &Pool::ready_connections, number(0U, kMostReadyConnections),
              "Connections that each worker keeps to each backend behind the greeting, so that a "
              "login "
              "takes one round trip; each is one of the backend's connections before login. 0: "
              "none."),
          key("ready_for", &Pool::ready_for, duration(1000ms, 30min),
              "How long such a connection waits for a user before it is made anew; to be shorter "
              "than "
              "the backend's own limit for connections before login."),
          key("retry_after", &Pool::retry_after, duration(10ms, 30s),
              "For how long a backend that failed is tried last; doubles with each failure in a "
              "row, "
              "up "
              "to 30s."),
          key("health", &Pool::health, health_type(),
              "Active health checks of the backends. Not set: none; failed logins alone decide."),
          key("admission", &Pool::admission, admission_type(),
              "How many logins a backend gets at once, found out by how long they take; the others "
              "wait for their turn."),
          key("lost_sessions_rate", &Pool::lost_sessions_rate, number(0U, kMostEndsASecond),
              "When a backend breaks under its sessions, so many of them a second end with BYE, so "
              "that their clients do not all come back at once; who sends a command meanwhile, or "
              "waits for an answer, ends at once. 0: all end at once."),
      },
      check_pool);
}

void check_route(Reader& reader, const std::string& path, const Route&) {
  if (reader.has(path + ".domain") == reader.has(path + ".pattern")) {
    reader.refuse(path, "either domain or pattern");
  }
}

Type<Route> route_type() {
  return section<Route>(
      {
          key("domain", &Route::domain, domain(),
              "Users with this domain behind the last '@', without regard to case.",
              {.example = "example.org"}),
          key("pattern", &Route::pattern, pattern(),
              "Users whose whole name matches this ECMAScript regular expression, without regard "
              "to "
              "case. No back-references; names longer than 512 bytes are refused.",
              {.example = R"("[a-m].*@example[.]net")"}),
          key("pool", &Route::pool, name_text(), "Where these users go.",
              {.required = true, .example = "main"}),
      },
      check_route);
}

Type<Relay> relay_type() {
  return section<Relay>({
      key("idle_timeout", &Relay::idle_timeout, duration(1s, 24h),
          "A session without a byte either way ends after this time."),
      key("idle_command_timeout", &Relay::idle_command_timeout, duration(1s, 24h),
          "The same while the client waits in IDLE, if longer; such clients speak every 29 "
          "minutes."),
      key("stall_timeout", &Relay::stall_timeout, duration(1s, 24h),
          "A session ends when one side takes no bytes for this time while some wait for it."),
      key("half_close_timeout", &Relay::half_close_timeout, duration(1s, 1h),
          "How long the other direction may go on after one side has ended."),
      key("keepalive", &Relay::keepalive, duration(0s, 24h),
          "Idle time before TCP keepalive asks whether the other side is still there. 0s: off."),
      key("buffer_size", &Relay::buffer_size, size(4096, 1024 * 1024),
          "Buffer for bytes in flight, one each way at most; none is held while idle. A "
          "session moves that much or 96KiB in a run, and all others of its worker wait for it."),
      key("own_tls_records", &Relay::own_tls_records, boolean(),
          "After the login Headgate seals and opens TLS 1.3 records itself, with the ciphers of "
          "OpenSSL or, where they are faster, of ipsec-mb (the log line \"ready\" names the "
          "library), "
          "and gives back what OpenSSL holds for a connection. false: OpenSSL goes on, which costs "
          "10 KB of memory a session, an eighth more CPU time with many sessions, and AES by "
          "ipsec-mb."),
  });
}

Type<Config> config_type() {
  const auto log = section<Log>({
      key("level", &Log::level, choice(kLogLevels), "The least level that is written."),
      key("format", &Log::format, choice(kFormats), "text for people, json for machines."),
  });
  return section<Config>({
      key("workers", &Config::workers, number(0U, 1024U),
          "Threads that serve sessions. 0: one for each core."),
      key("listeners", &Config::listeners,
          list_of(listener_type(), "a list of at least one listener", 1), "Where clients connect.",
          {.required = true, .more = R"({name: imap, address: "0.0.0.0:143", tls: starttls})"}),
      key("tls", &Config::tls, tls_type(), "TLS with clients.", {.shown = true}),
      key("pools", &Config::pools,
          map_of(&Pool::name, pool_type(), "at least one pool of backends", 1),
          "Groups of backends that hold the same kind of mailboxes, by name.", {.required = true}),
      key("users", &Config::users, list_of(source_type(), "a list of at least one user source", 1),
          "User sources, asked in this order: who is this, and where does the mailbox live.",
          {.required = true}),
      key("routes", &Config::routes, list_of(route_type(), "a list of routes"),
          "The first route that matches the user name decides the pool, unless the user source has "
          "named one."),
      key("login", &Config::login, login_type(), "Limits on clients before they are logged in."),
      key("limits", &Config::limits, limits_type(),
          "Limits on sessions that are logged in; who is above one is told so with [LIMIT]."),
      key("guessing", &Config::guessing, guessing_type(),
          "Against those who guess passwords: who fails too often waits, and then is refused."),
      key("relay", &Config::relay, relay_type(), "Sessions after login."),
      key("admin", &Config::admin, admin_type(), "HTTP for operators.", {.shown = true}),
      key("log", &Config::log, log, "Log lines, written to standard error."),
  });
}

}  // namespace

const Type<Config>& schema() {
  static const Type<Config> type = config_type();
  return type;
}

const Type<UserSource>& user_source_schema() {
  static const Type<UserSource> type = source_type();
  return type;
}

std::string_view name(TlsMode mode) {
  return word(kTlsModes, mode);
}
std::string_view name(Policy policy) {
  return word(kPolicies, policy);
}
std::string_view name(HashInput input) {
  return word(kHashInputs, input);
}
std::string_view name(ForwardClient forward) {
  return word(kForwards, forward);
}
std::string_view name(const Mechanism& mechanism) {
  return mechanism.kind == Mechanism::kOther ? std::string_view(mechanism.other)
                                             : word(kMechanisms, mechanism);
}

}  // namespace headgate::config
