#include "server/user_sources.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "auth/forwarded_fields.h"
#include "base/ascii.h"
#include "config/difference.h"
#include "config/mechanisms.h"
#include "config/pattern.h"

namespace headgate::server {
namespace {

sources::SourceKind kind_of(config::SourceKind kind) {
  switch (kind) {
    case config::SourceKind::kBackend:
      return sources::SourceKind::kBackend;
    case config::SourceKind::kPasswdFile:
      return sources::SourceKind::kPasswdFile;
    case config::SourceKind::kSql:
      return sources::SourceKind::kSql;
    case config::SourceKind::kLdap:
      return sources::SourceKind::kLdap;
    case config::SourceKind::kMap:
      return sources::SourceKind::kMap;
    case config::SourceKind::kAuthHttp:
      return sources::SourceKind::kAuthHttp;
    case config::SourceKind::kOauth:
      return sources::SourceKind::kOauth;
    case config::SourceKind::kPam:
      return sources::SourceKind::kPam;
    case config::SourceKind::kCertificate:
      return sources::SourceKind::kCertificate;
    case config::SourceKind::kDovecotAuth:
      return sources::SourceKind::kDovecotAuth;
  }
  return sources::SourceKind::kBackend;
}

sources::SqlDriver driver_of(config::SqlDriver driver) {
  switch (driver) {
    case config::SqlDriver::kPostgresql:
      return sources::SqlDriver::kPostgresql;
    case config::SqlDriver::kMysql:
      return sources::SqlDriver::kMysql;
    case config::SqlDriver::kSqlite:
      break;
  }
  return sources::SqlDriver::kSqlite;
}

// A port of all holds for those without one; MySQL's sockets have none.
std::vector<sources::SqlServer> sql_servers(const config::Sql& sql) {
  std::vector<config::SqlHost> hosts = sql.hosts;
  if (!sql.host.empty()) {
    hosts.push_back({.host = sql.host});
  }
  std::vector<sources::SqlServer> servers;
  for (const config::SqlHost& each : hosts) {
    const bool has_port = sql.driver != config::SqlDriver::kMysql || !each.host.starts_with('/');
    servers.push_back({.host = each.host,
                       .port = each.port != 0 ? each.port
                               : has_port     ? sql.port
                                              : 0});
  }
  return servers;
}

std::shared_ptr<sources::SqlOptions> sql_options(const config::Sql& sql) {
  auto options = std::make_shared<sources::SqlOptions>();
  options->driver = driver_of(sql.driver);
  options->path = sql.path;
  options->servers = sql_servers(sql);
  options->hedge_after = sql.hedge_after;
  options->database = sql.database;
  options->user = sql.user;
  options->password = sql.password.clone();
  options->options = sql.options;
  options->query = sql.query;
  options->connections = sql.connections;
  options->checks_password = sql.check_password;
  return options;
}

sources::LdapScope scope_of(config::LdapScope scope) {
  return scope == config::LdapScope::kSubtree ? sources::LdapScope::kSubtree
         : scope == config::LdapScope::kOne   ? sources::LdapScope::kOne
                                              : sources::LdapScope::kBase;
}

sources::LdapPasswords passwords_of(config::LdapPasswords passwords) {
  return passwords == config::LdapPasswords::kBind    ? sources::LdapPasswords::kBind
         : passwords == config::LdapPasswords::kFetch ? sources::LdapPasswords::kFetch
                                                      : sources::LdapPasswords::kBackend;
}

std::shared_ptr<sources::LdapOptions> ldap_options(const config::Ldap& ldap) {
  auto options = std::make_shared<sources::LdapOptions>();
  for (const std::string& url : ldap.servers) {
    options->servers.push_back(
        {.url = url, .starttls = ldap.starttls, .verify = ldap.verify, .ca = ldap.ca});
  }
  options->hedge_after = ldap.hedge_after;
  options->bind_dn = ldap.bind_dn;
  options->bind_password = ldap.bind_password.clone();
  options->base = ldap.base;
  options->scope = scope_of(ldap.scope);
  options->filter = ldap.filter;
  options->passwords = passwords_of(ldap.passwords);
  options->password_attribute = ldap.password_attribute;
  options->app_password_attribute = ldap.app_password_attribute;
  options->totp_attribute = ldap.totp_attribute;
  options->user_attribute = ldap.user_attribute;
  options->pool_attribute = ldap.pool_attribute;
  options->backend_attribute = ldap.backend_attribute;
  options->max_sessions_attribute = ldap.max_sessions_attribute;
  for (const config::LdapForward& forward : ldap.forward_attributes) {
    options->forward_attributes.push_back(
        {std::string(auth::kForwardPrefix) + forward.key, forward.attribute});
  }
  options->backend_port = static_cast<std::uint16_t>(ldap.backend_port);
  options->connections = ldap.connections;
  return options;
}

void add_rules(const std::vector<config::MapRule>& rules, std::vector<sources::MapRule>& all) {
  for (const config::MapRule& rule : rules) {
    sources::MapRule& made = all.emplace_back();
    made.user = lower_case(rule.user);
    made.domain = rule.domain;
    if (!rule.pattern.empty()) {
      // Checked when the configuration was read.
      made.pattern = config::compile_pattern(rule.pattern, config::Groups::kKeep).value();
    }
    if (!rule.pool.empty()) {
      made.pool = rule.pool;
    }
    made.backend = rule.backend;
    made.rewrite = rule.rewrite;
  }
}

// Those of the file come behind those of the configuration.
std::shared_ptr<const sources::MapRules> map_rules(const config::UserSource& source) {
  std::vector<sources::MapRule> all;
  all.reserve(source.map.size() + source.map_file.rules.size());
  add_rules(source.map, all);
  add_rules(source.map_file.rules, all);
  return std::make_shared<const sources::MapRules>(std::move(all));
}

std::vector<HostPort> known_backends(const config::Config& config) {
  std::vector<HostPort> all;
  for (const config::Pool& pool : config.pools) {
    std::ranges::transform(pool.backends, std::back_inserter(all), &config::Backend::address);
  }
  return all;
}

std::shared_ptr<const sources::AuthHttpOptions> auth_http_options(
    const config::Config& config, const config::UserSource& source) {
  auto options = std::make_shared<sources::AuthHttpOptions>();
  options->urls.push_back(*source.url);
  options->urls.insert(options->urls.end(), source.http.more.begin(), source.http.more.end());
  for (const config::HttpHeader& header : source.http.headers) {
    options->headers.push_back({header.name, header.value.clone()});
  }
  options->timeout = std::min(source.http.timeout, source.deadline);
  options->hedge_after = source.http.hedge_after;
  options->keep_alive = source.http.keep_alive;
  options->spread = source.http.spread;
  options->verify = source.http.verify;
  options->ca = source.http.ca;
  options->methods = {.plain = source.http.judges(config::AuthMethod::kPlain),
                      .cram_md5 = source.http.judges(config::AuthMethod::kCramMd5),
                      .external = source.http.judges(config::AuthMethod::kExternal),
                      .token = source.http.judges(config::AuthMethod::kToken)};
  options->pass_client_cert = source.http.pass_client_cert;
  options->known_backends = known_backends(config);
  return options;
}

// What an auth service has to offer if no client is to be refused for its lack.
std::vector<std::string> passed_mechanisms(const config::Config& config,
                                           const config::UserSource& source) {
  const config::Proofs proofs = config::proofs(config, source);
  std::vector<std::string> all = {"PLAIN"};
  for (const config::Listener& listener : config.listeners) {
    for (const config::Mechanism& each : config::offered(config, listener)) {
      const std::string name(config::name(each));
      const bool passed = config::by_token(each)                 ? proofs.token
                          : each == config::Mechanism::kExternal ? proofs.certificate
                                                                 : config::by_exchange(each);
      if (passed && std::ranges::find(all, name) == all.end()) {
        all.push_back(name);
      }
    }
  }
  return all;
}

std::shared_ptr<const sources::DovecotAuthOptions> dovecot_auth_options(
    const config::Config& config, const config::UserSource& source) {
  const config::DovecotAuth& dovecot = *source.dovecot_auth;
  auto options = std::make_shared<sources::DovecotAuthOptions>();
  options->servers = dovecot.servers;
  options->connections = dovecot.connections;
  options->timeout = std::min(dovecot.timeout, source.deadline);
  options->hedge_after = dovecot.hedge_after;
  options->service = dovecot.service;
  options->master = dovecot.master;
  options->route_only = dovecot.route_only;
  options->tokens = dovecot.tokens;
  options->external = dovecot.external;
  options->checks_passwords = dovecot.checks_passwords;
  options->mechanisms = passed_mechanisms(config, source);
  options->known_backends = known_backends(config);
  return options;
}

std::shared_ptr<const sources::OauthOptions> oauth_options(const config::UserSource& source) {
  const config::Oauth& oauth = *source.oauth;
  auto options = std::make_shared<sources::OauthOptions>();
  options->rules = {.issuers = oauth.issuer,
                    .audience = oauth.audience,
                    .scopes = oauth.scopes,
                    .user_claim = oauth.user_claim,
                    .match_user = oauth.match_user,
                    .leeway = oauth.leeway};
  options->keys_file = oauth.keys;
  options->keys_url = oauth.keys_url;
  options->keys_ttl = oauth.keys_ttl;
  if (oauth.introspection) {
    options->introspection_url = oauth.introspection->url;
    options->client_id = oauth.introspection->client_id;
    options->client_secret = oauth.introspection->client_secret.clone();
  }
  options->timeout = std::min(oauth.timeout, source.deadline);
  options->ca = oauth.ca;
  return options;
}

net::CertificateField field_of(config::CertificateField field) {
  switch (field) {
    case config::CertificateField::kCommonName:
      return net::CertificateField::kCommonName;
    case config::CertificateField::kEmail:
      return net::CertificateField::kEmail;
    case config::CertificateField::kUid:
      return net::CertificateField::kUid;
    case config::CertificateField::kAltUpn:
      return net::CertificateField::kAltUpn;
    case config::CertificateField::kAltEmail:
      break;
  }
  return net::CertificateField::kAltEmail;
}

std::shared_ptr<const sources::CertificateOptions> certificate_options(
    const config::CertificateRule& rule) {
  auto options = std::make_shared<sources::CertificateOptions>();
  options->field = field_of(rule.field);
  if (!rule.pattern.empty()) {
    // Checked when the configuration was read.
    options->pattern = config::compile_pattern(rule.pattern, config::Groups::kKeep).value();
  }
  options->rewrite = rule.rewrite;
  return options;
}

bool is_in(const config::Config& config, const config::UserSource& source) {
  const auto found = std::ranges::find(config.users, source.name, &config::UserSource::name);
  return found != config.users.end() && config::same(*found, source);
}

}  // namespace

std::vector<sources::SourceOptions> source_options(const config::Config& config,
                                                   const config::Config* before) {
  std::vector<sources::SourceOptions> all;
  for (const config::UserSource& source : config.users) {
    sources::SourceOptions& options = all.emplace_back();
    options.kind = kind_of(source.kind);
    options.name = source.name;
    options.unchanged = before != nullptr && is_in(*before, source);
    options.path = source.path;
    options.apps_need_code = source.app_passwords_need_code;
    options.guard = {
        .deadline = source.deadline,
        .max_parallel = source.max_parallel,
        .max_queue = source.max_queue,
        .breaker = {.failures = source.breaker.failures,
                    .pause = source.breaker.pause,
                    .longest_pause = source.breaker.longest_pause},
        .passes_tokens = source.trusts_backend() && config::proofs(config, source).token};
    options.hands_out = config::proofs(config, source).stored;
    if (source.backend) {
      auth::PoolChain& chain = options.pools.emplace();
      chain.pools = {source.pool};
      chain.pools.insert(chain.pools.end(), source.backend->then.begin(),
                         source.backend->then.end());
      chain.remember = source.backend->remember;
      chain.entries = source.backend->entries;
      chain.keep = source.backend->keep;
    }
    if (source.sql) {
      options.sql = sql_options(*source.sql);
    }
    if (source.ldap) {
      options.ldap = ldap_options(*source.ldap);
    }
    if (source.kind == config::SourceKind::kMap) {
      options.map = map_rules(source);
    }
    if (source.kind == config::SourceKind::kAuthHttp) {
      options.auth_http = auth_http_options(config, source);
    }
    if (source.oauth) {
      options.oauth = oauth_options(source);
    }
    if (source.kind == config::SourceKind::kCertificate) {
      options.certificate = certificate_options(source.certificate);
    }
    if (source.pam) {
      options.pam = std::make_shared<const sources::PamOptions>(
          sources::PamOptions{.service = source.pam->service,
                              .directory = source.pam->directory,
                              .processes = source.pam->processes});
    }
    if (source.dovecot_auth) {
      options.dovecot_auth = dovecot_auth_options(config, source);
    }
    if (source.cache) {
      options.cache = {.entries = source.cache->entries,
                       .ttl = source.cache->ttl,
                       .negative_ttl = source.cache->negative_ttl};
    }
  }
  return all;
}

std::shared_ptr<const sources::PolicyOptions> policy_options(const config::Config& config) {
  const auto& policy = config.login.policy;
  if (!policy) {
    return nullptr;
  }
  auto options = std::make_shared<sources::PolicyOptions>();
  options->url = *policy->url;
  for (const config::HttpHeader& header : policy->headers) {
    options->headers.emplace_back(header.name, header.value.clone());
  }
  options->timeout = policy->timeout;
  options->nonce = policy->nonce.clone();
  options->hash_bits = policy->hash_bits;
  options->verify = policy->verify;
  options->ca = policy->ca;
  return options;
}

}  // namespace headgate::server
