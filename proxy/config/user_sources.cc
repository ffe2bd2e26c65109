#include "config/user_sources.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "config/scalars.h"

namespace headgate::config {

using namespace std::chrono_literals;

namespace {

const Choices<SourceKind> kKinds = {{"backend", SourceKind::kBackend},
                                    {"passwd_file", SourceKind::kPasswdFile},
                                    {"sql", SourceKind::kSql},
                                    {"ldap", SourceKind::kLdap},
                                    {"map", SourceKind::kMap},
                                    {"auth_http", SourceKind::kAuthHttp},
                                    {"oauth", SourceKind::kOauth},
                                    {"pam", SourceKind::kPam},
                                    {"certificate", SourceKind::kCertificate},
                                    {"dovecot_auth", SourceKind::kDovecotAuth}};

const Choices<AuthMethod> kMethods = {{"plain", AuthMethod::kPlain},
                                      {"cram-md5", AuthMethod::kCramMd5},
                                      {"external", AuthMethod::kExternal},
                                      {"token", AuthMethod::kToken}};

void check_breaker(Reader& reader, const std::string& path, const Breaker& breaker) {
  if (breaker.longest_pause < breaker.pause) {
    reader.refuse(reader.has(path + ".longest_pause") ? path + ".longest_pause" : path + ".pause",
                  fmt::format("longest_pause ({}ms) at least as long as pause ({}ms)",
                              breaker.longest_pause.count(), breaker.pause.count()));
  }
}

void check_map_rule(Reader& reader, const std::string& path, const MapRule&) {
  const int kinds = (reader.has(path + ".user") ? 1 : 0) + (reader.has(path + ".domain") ? 1 : 0) +
                    (reader.has(path + ".pattern") ? 1 : 0);
  if (kinds != 1) {
    reader.refuse(path, "one of user, domain and pattern");
  }
}

}  // namespace

std::string_view name(SourceKind kind) {
  return word(kKinds, kind);
}

namespace {

Type<Pam> pam_type() {
  return section<Pam>({
      key("service", &Pam::service, name_text(), "Name of the service: of a file in /etc/pam.d.",
          {.required = true, .example = "headgate"}),
      key("directory", &Pam::directory, text("the path of a folder", 4096),
          "Folder with the service's file. Not set: the system's, /etc/pam.d.",
          {.example = "/etc/headgate/pam.d"}),
      key("processes", &Pam::processes, number(1U, 256U),
          "Helper processes, each with one login at a time, for all workers together."),
  });
}

Type<Breaker> breaker_type() {
  return section<Breaker>(
      {
          key("failures", &Breaker::failures, number(1U, 1'000'000U),
              "Failures in a row after which the source is not asked for a while; logins that need "
              "it get [UNAVAILABLE] at once."),
          key("pause", &Breaker::pause, duration(10ms, 10min),
              "Time until one login is let through to try the source again; doubles with each try "
              "that fails."),
          key("longest_pause", &Breaker::longest_pause, duration(10ms, 1h),
              "What the pause grows to at most."),
      },
      check_breaker);
}

Type<Cache> cache_type() {
  return section<Cache>({
      key("entries", &Cache::entries, number(std::size_t{16}, std::size_t{100'000'000}),
          "Answers kept, so many positive and so many negative ones; each takes about half a KiB."),
      key("ttl", &Cache::ttl, duration(1s, 24h),
          "How long a positive answer holds: this late a changed route or a user who was removed "
          "is noticed. A new password is valid at once, and ends the old one."),
      key("negative_ttl", &Cache::negative_ttl, duration(0s, 1h),
          "How long the same wrong password is refused without asking. 0s: never."),
  });
}

Type<BackendChain> backend_chain_type() {
  return section<BackendChain>({
      key("then", &BackendChain::then, list_of(name_text(), "a list of at least one pool", 1),
          "Pools that are asked in this order when the source's pool has said that the password is "
          "wrong; the last one that is asked answers for all. A route that matches comes before "
          "them.",
          {.required = true, .example = "[new]"}),
      key("remember", &BackendChain::remember, duration(0s, 8760h),
          "For how long such a pool is asked first once it has let the user in; then all are asked "
          "in their order again. 0s: never."),
      key("entries", &BackendChain::entries, number(std::size_t{16}, std::size_t{100'000'000}),
          "Users of whom that is remembered; each takes about 200 bytes and the name."),
      key("keep", &BackendChain::keep, boolean(),
          "Whether that outlives a restart, with the users' names in a file beside "
          "admin.state_file, whose name has .pools behind it; without a state file it does not."),
  });
}

Type<MapRule> map_rule_type() {
  return section<MapRule>(
      {
          key("user", &MapRule::user, text("a user name", 512),
              "This user, without regard to the case of ASCII letters.",
              {.example = R"("alice@example.org")"}),
          key("domain", &MapRule::domain, domain(),
              "Users with this domain behind the last '@', without regard to case.",
              {.example = "example.org"}),
          key("pattern", &MapRule::pattern, pattern(),
              "Users whose whole name matches this ECMAScript regular expression, without regard "
              "to case. No back-references.",
              {.example = R"x("(.+)%(.+)")x"}),
          key("pool", &MapRule::pool, name_text(), "Where they go: a pool.", {.example = "main"}),
          key("backend", &MapRule::backend, host_port(), "Where they go: a backend.",
              {.example = R"("127.0.1.1:10143")"}),
          key("rewrite", &MapRule::rewrite, text("a name", 512),
              "Their name for the backend. {user}, {local_part}, {domain}, and {1} to {9} for the "
              "groups of the pattern. Not set: the name that the client gave.",
              {.example = R"("{local_part}")"}),
      },
      check_map_rule);
}

// A key that one kind of source has and no other.
struct Own {
  std::string_view key;
  SourceKind kind;
  std::string_view missing;  // "expected …" where the source needs it; empty: it does not
};
constexpr std::array<Own, 12> kOwn = {
    {{"backend", SourceKind::kBackend, ""},
     {"path", SourceKind::kPasswdFile, "a file that can be read, found nothing"},
     {"sql", SourceKind::kSql, "a section sql with source sql, found nothing"},
     {"ldap", SourceKind::kLdap, "a section ldap with source ldap, found nothing"},
     {"map", SourceKind::kMap, ""},
     {"map_file", SourceKind::kMap, ""},
     {"url", SourceKind::kAuthHttp, "the URL of a server, found nothing"},
     {"http", SourceKind::kAuthHttp, ""},
     {"oauth", SourceKind::kOauth, "a section oauth with source oauth, found nothing"},
     {"pam", SourceKind::kPam, "a section pam with source pam, found nothing"},
     {"certificate", SourceKind::kCertificate, ""},
     {"dovecot_auth", SourceKind::kDovecotAuth,
      "a section dovecot_auth with source dovecot_auth, found nothing"}}};

void check_timeout(Reader& reader, const std::string& key, milliseconds timeout,
                   milliseconds deadline) {
  if (reader.has(key) && timeout > deadline) {
    reader.refuse(key, fmt::format("at most the source's deadline ({}ms), found {}ms",
                                   deadline.count(), timeout.count()));
  }
}

void check_http(Reader& reader, const std::string& path, const UserSource& source) {
  const HttpLookup& http = source.http;
  for (std::size_t i = 0; i < http.more.size(); ++i) {
    const auto end = http.more.begin() + static_cast<std::ptrdiff_t>(i);
    if (source.url == http.more[i] || std::find(http.more.begin(), end, http.more[i]) != end) {
      reader.refuse(fmt::format("{}.http.more[{}]", path, i),
                    fmt::format("another URL, found '{}' again", http.more[i].to_string()));
    }
  }
  for (std::size_t i = 0; i < http.methods.size(); ++i) {
    const auto end = http.methods.begin() + static_cast<std::ptrdiff_t>(i);
    const std::string key = fmt::format("{}.http.methods[{}]", path, i);
    if (reader.good(key) && std::find(http.methods.begin(), end, http.methods[i]) != end) {
      reader.refuse(
          key, fmt::format("another method, found '{}' again", word(kMethods, http.methods[i])));
    }
  }
  check_timeout(reader, path + ".http.timeout", http.timeout, source.deadline);
}

void check_source_cache(Reader& reader, const std::string& path, const UserSource& source) {
  if (source.cache && source.sql && source.sql->query.contains(":ip")) {
    reader.refuse(path + ".cache",
                  "no cache with a query that asks for :ip, since an answer would "
                  "hold for all addresses");
  }
  if (source.oauth && source.cache) {
    reader.refuse(path + ".cache",
                  "no cache for source oauth, since a token may end before the answer does");
  }
  for (const AuthMethod method : {AuthMethod::kExternal, AuthMethod::kToken}) {
    if (source.cache && source.http.judges(method)) {
      reader.refuse(path + ".cache",
                    fmt::format("no cache with http.methods {}, since {}", word(kMethods, method),
                                method == AuthMethod::kToken
                                    ? "a token may end before the answer does"
                                    : "the answer is about a certificate and not a password"));
    }
  }
  const bool asks_nobody = source.kind == SourceKind::kBackend || source.kind == SourceKind::kMap ||
                           source.kind == SourceKind::kCertificate;
  if (asks_nobody && source.cache) {
    reader.refuse(path + ".cache",
                  fmt::format("no cache for source {}, which asks nobody", name(source.kind)));
  }
}

void check_source(Reader& reader, const std::string& path, const UserSource& source) {
  if (!reader.good(path + ".source")) {
    return;
  }
  for (const auto& [key, kind, missing] : kOwn) {
    const std::string own = fmt::format("{}.{}", path, key);
    if (source.kind != kind && reader.has(own)) {
      reader.refuse(own, fmt::format("no {}, which is for source {}", key, name(kind)));
    } else if (source.kind == kind && !missing.empty() && !reader.has(own)) {
      reader.refuse(own, std::string(missing));
    }
  }
  if (source.kind == SourceKind::kMap && !reader.has(path + ".map") &&
      !reader.has(path + ".map_file")) {
    reader.refuse(path + ".map", "rules in map or a file of them in map_file, found nothing");
  }
  if (source.kind != SourceKind::kAuthHttp && !reader.has(path + ".pool")) {
    reader.refuse(path + ".pool", "the name of a pool, found nothing");
  }
  const bool reads_hashes = source.kind == SourceKind::kPasswdFile ||
                            source.kind == SourceKind::kSql || source.kind == SourceKind::kLdap;
  if (!reads_hashes && reader.has(path + ".app_passwords_need_code")) {
    reader.refuse(path + ".app_passwords_need_code",
                  fmt::format("nothing with source {}, only with passwd_file, sql and ldap",
                              name(source.kind)));
  }
  check_http(reader, path, source);
  if (source.oauth) {
    check_timeout(reader, path + ".oauth.timeout", source.oauth->timeout, source.deadline);
  }
  if (source.sql) {
    check_timeout(reader, path + ".sql.hedge_after", source.sql->hedge_after, source.deadline);
  }
  if (source.ldap) {
    check_timeout(reader, path + ".ldap.hedge_after", source.ldap->hedge_after, source.deadline);
  }
  if (source.dovecot_auth) {
    check_timeout(reader, path + ".dovecot_auth.timeout", source.dovecot_auth->timeout,
                  source.deadline);
  }
  check_source_cache(reader, path, source);
}

Type<HttpLookup> http_type() {
  return section<HttpLookup>({
      key("methods", &HttpLookup::methods,
          list_of(choice(kMethods), "a list of at least one method", 1),
          "Logins that the servers can judge, by the Auth-Method that they are told: plain for "
          "passwords; cram-md5, which listeners[].sasl has to name as well; external for "
          "certificates; token for xoauth2 and oauthbearer. All but plain take an Auth-Pass in the "
          "answer, or a pool that can do without the client's password."),
      key("pass_client_cert", &HttpLookup::pass_client_cert, boolean(),
          "Whether the certificate of a client goes along as a whole, as Auth-SSL-Cert."),
      key("more", &HttpLookup::more, list_of(url(), "a list of URLs"),
          "More servers, asked in this order when those before do not answer.",
          {.example = R"(["http://127.0.0.2:8080/auth"])"}),
      key("spread", &HttpLookup::spread, boolean(),
          "Whether each look-up begins with another server, not always with the first."),
      key("timeout", &HttpLookup::timeout, duration(50ms, 10s),
          "Time for the answer to one look-up, whichever servers are asked."),
      key("hedge_after", &HttpLookup::hedge_after, duration(0ms, 10s),
          "When a server has not answered for this time the next one is asked as well, and the "
          "first answer counts. 0ms: never."),
      key("keep_alive", &HttpLookup::keep_alive, boolean(),
          "Whether connections serve more than one request. false: HTTP/1.0, as nginx speaks it."),
      key("verify", &HttpLookup::verify, boolean(),
          "Whether an https server must show a valid certificate for its host name."),
      key("ca", &HttpLookup::ca, file("a PEM file that can be read"),
          "PEM file with the authorities to trust. Not set: the system's.", {.example = "ca.pem"}),
      key("headers", &HttpLookup::headers, list_of(http_header_type(), "a list of headers"),
          "Headers that go with each request, for a key that the server asks for, say."),
  });
}

}  // namespace

Type<HttpHeader> http_header_type() {
  return section<HttpHeader>({
      key("name", &HttpHeader::name, header_name(), "Name of the header.",
          {.required = true, .example = "X-Auth-Key"}),
      key("value", &HttpHeader::value, secret("a value"), "Its value.",
          {.required = true, .secret = true, .example = "secret"}),
  });
}

Type<UserSource> source_type() {
  return section<UserSource>(
      {
          key("source", &UserSource::kind, choice(kKinds),
              "backend: the backend checks the password. passwd_file: a file with user names and "
              "hashed passwords. sql: a table of PostgreSQL, MySQL, MariaDB or SQLite. ldap: a "
              "directory. map: rules, here or in a file. auth_http: a server that speaks the "
              "protocol of nginx mail's auth_http. oauth: tokens, by XOAUTH2 and OAUTHBEARER. pam: "
              "the system's authentication modules. certificate: certificates of clients, by "
              "EXTERNAL. dovecot_auth: Dovecot's auth service.",
              {.required = true, .example = "backend"}),
          key("pool", &UserSource::pool, name_text(),
              "Where users of this source go, unless the source itself or a route says otherwise. "
              "auth_http: whose TLS, timeouts and master user hold for the backend that the server "
              "names; may be left out, and is the first pool then.",
              {.shown = true, .example = "main"}),
          key("name", &UserSource::name, name_text(),
              "Name in logs and metrics. Not set: the kind of the source, with its place in the "
              "list where there are several.",
              {.example = "customers"}),
          key("backend", &UserSource::backend, backend_chain_type(),
              "backend: more pools than one may have the user's mailbox."),
          key("path", &UserSource::path, file("a file that can be read"), "passwd_file: the file.",
              {.example = "users.passwd"}),
          key("sql", &UserSource::sql, sql_type(), "sql: the database and what to ask it."),
          key("ldap", &UserSource::ldap, ldap_type(), "ldap: the servers and what to search for."),
          key("map", &UserSource::map, list_of(map_rule_type(), "a list of at least one rule", 1),
              "map: the first rule that matches says where the user goes."),
          key("map_file", &UserSource::map_file, map_file(),
              "map: a file with more rules, one a line, behind those of map: NAME, @DOMAIN or "
              "/PATTERN/, then pool=NAME, backend=HOST:PORT and rewrite=NAME, as far as wanted. "
              "Read again with each reload.",
              {.example = "users.map"}),
          key("url", &UserSource::url, url(), "auth_http: the server.",
              {.example = R"("http://127.0.0.1:8080/auth")"}),
          key("http", &UserSource::http, http_type(), "auth_http: how the server is asked."),
          key("oauth", &UserSource::oauth, oauth_type(), "oauth: how tokens are checked."),
          key("pam", &UserSource::pam, pam_type(), "pam: which modules are asked."),
          key("dovecot_auth", &UserSource::dovecot_auth, dovecot_auth_type(),
              "dovecot_auth: where Dovecot's auth service is and how it is asked."),
          key("certificate", &UserSource::certificate, certificate_rule_type(),
              "certificate: whose a certificate is."),
          key("app_passwords_need_code", &UserSource::app_passwords_need_code, boolean(),
              "passwd_file, sql, ldap: whether users with an authenticator append its code to "
              "application passwords too. false: these are for phones and programs that cannot."),
          key("deadline", &UserSource::deadline, duration(50ms, 5min),
              "How long an answer may take; then the client gets [UNAVAILABLE]."),
          key("max_parallel", &UserSource::max_parallel,
              number(std::size_t{1}, std::size_t{10'000}),
              "Questions that each worker asks the source at a time."),
          key("max_queue", &UserSource::max_queue, number(std::size_t{0}, std::size_t{1'000'000}),
              "Questions of each worker that may wait for those; more get [UNAVAILABLE] at once."),
          key("breaker", &UserSource::breaker, breaker_type(),
              "When a source that fails is left alone."),
          key("cache", &UserSource::cache, cache_type(),
              "Answers that are remembered, passwords as hashes under a key that only this process "
              "knows. Not set: none."),
      },
      check_source);
}

}  // namespace headgate::config
