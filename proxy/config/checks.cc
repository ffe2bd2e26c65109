#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "config/map_file.h"
#include "config/mechanisms.h"
#include "config/pool_health.h"
#include "config/pool_srv.h"
#include "config/schema.h"

namespace headgate::config {
namespace {

// Reports what stands there for the second time.
class Once {
 public:
  Once(Reader& reader, std::string_view what) : reader_(reader), what_(what) {}
  void add(const std::string& value, const std::string& path) {
    const auto [first, fresh] = first_.emplace(value, path);
    if (!fresh) {
      reader_.refuse(path, fmt::format("another {}, found '{}' again, which {} has (line {})",
                                       what_, value, first->second, reader_.line(first->second)));
    }
  }

 private:
  Reader& reader_;
  std::string_view what_;
  std::map<std::string, std::string> first_;
};

void check_listeners(Reader& reader, const Config& config) {
  Once names(reader, "name");
  Once addresses(reader, "address");
  for (std::size_t i = 0; i < config.listeners.size(); ++i) {
    const Listener& listener = config.listeners[i];
    const std::string path = fmt::format("listeners[{}]", i);
    if (!listener.name.empty()) {
      names.add(listener.name, path + ".name");
    }
    if (listener.address.port != 0) {
      addresses.add(listener.address.to_string(), path + ".address");
    }
    const bool mode_known = !reader.has(path + ".tls") || reader.good(path + ".tls");
    if (mode_known && listener.tls != TlsMode::kNone && !reader.has("tls.certificates[0]")) {
      reader.refuse(path + ".tls", fmt::format("a certificate in tls.certificates for a listener "
                                               "with tls {}, found none",
                                               name(listener.tls)));
    }
    if (mode_known && listener.tls == TlsMode::kNone && listener.client_certificates) {
      reader.refuse(path + ".client_certificates", "nothing with tls none");
    }
  }
  for (const LocalAddress& address : config.admin.addresses) {
    if (!address.path.empty() || address.endpoint.port != 0) {
      addresses.add(address.to_string(), "admin.address");
    }
  }
}

void check_pins(Reader& reader, const Pool& pool) {
  for (std::size_t i = 0; i < pool.pins.size(); ++i) {
    const std::string path = fmt::format("pools.{}.pins[{}].backend", pool.name, i);
    if (!pool.srv && reader.good(path) &&
        std::ranges::find(pool.backends, pool.pins[i].backend, &Backend::address) ==
            pool.backends.end()) {
      reader.refuse(path, fmt::format("the address of one of the pool's backends, found '{}'",
                                      pool.pins[i].backend.to_string()));
    }
  }
}

void check_shares(Reader& reader, const Pool& pool) {
  unsigned total = 0;
  bool ordinary = pool.backends.empty();
  for (std::size_t i = 0; i < pool.backends.size(); ++i) {
    const Backend& backend = pool.backends[i];
    const std::string path = fmt::format("pools.{}.backends[{}].share", pool.name, i);
    total += backend.share;
    if (total > 10'000) {
      reader.refuse(path, "shares of at most 100% in one pool together");
      return;
    }
    if (backend.share != 0 && backend.backup) {
      reader.refuse(path, "no share for a backup, which gets users only while no other one is up");
    }
    ordinary = ordinary || (backend.share == 0 && !backend.backup);
  }
  if (!ordinary) {
    reader.refuse(fmt::format("pools.{}.backends", pool.name),
                  "at least one backend that is neither a backup nor has a share");
  }
}

// A pool can do without backends where everybody who comes there brings one along.
void check_empty_pool(Reader& reader, const Config& config, const Pool& pool) {
  const std::string path = fmt::format("pools.{}.backends", pool.name);
  bool named = false;
  std::string needed_by;
  for (std::size_t i = 0; i < config.users.size(); ++i) {
    const UserSource& source = config.users[i];
    const bool leads_here =
        source.pool.empty() ? &pool == &config.pools.front() : source.pool == pool.name;
    if (leads_here && (source.kind == SourceKind::kAuthHttp || source.dovecot_auth)) {
      named = true;
    } else if (leads_here) {
      needed_by = fmt::format("users[{}]", i);
    } else if (source.backend &&
               std::ranges::find(source.backend->then, pool.name) != source.backend->then.end()) {
      needed_by = fmt::format("users[{}].backend", i);
    }
    for (std::size_t j = 0; j < source.map.size(); ++j) {
      if (source.map[j].pool == pool.name && !source.map[j].backend) {
        needed_by = fmt::format("users[{}].map[{}]", i, j);
      }
    }
    for (const MapRule& rule : source.map_file.rules) {
      if (rule.pool == pool.name && !rule.backend) {
        needed_by = fmt::format("{}:{}", source.map_file.path, rule.line);
        break;
      }
    }
  }
  const auto routed = std::ranges::find(config.routes, pool.name, &Route::pool);
  if (routed != config.routes.end()) {
    needed_by = fmt::format("routes[{}]", routed - config.routes.begin());
  }
  if (!needed_by.empty()) {
    reader.refuse(path, fmt::format("a list of at least one backend, since {} sends users here; "
                                    "found none",
                                    needed_by));
  } else if (!named) {
    reader.refuse(path, "a list of at least one backend, found none");
  }
}

void check_pools(Reader& reader, const Config& config) {
  for (const Pool& pool : config.pools) {
    if (pool.backends.empty() && !reader.has(fmt::format("pools.{}.backends[0]", pool.name)) &&
        !reader.has(fmt::format("pools.{}.srv", pool.name))) {
      check_empty_pool(reader, config, pool);
    }
    check_pins(reader, pool);
    check_shares(reader, pool);
    check_health(reader, pool);
    check_srv(reader, pool);
    const std::string bound = fmt::format("pools.{}.load_bound", pool.name);
    if (pool.load_bound != 0 && pool.policy != Policy::kUserHash) {
      reader.refuse(bound,
                    fmt::format("no bound with policy {}, only with user_hash", name(pool.policy)));
    }
    Once addresses(reader, "address");
    for (std::size_t i = 0; i < pool.backends.size(); ++i) {
      if (pool.backends[i].address.port != 0) {
        addresses.add(pool.backends[i].address.to_string(),
                      fmt::format("pools.{}.backends[{}].address", pool.name, i));
      }
    }
  }
}

// The pool with this name; null, reported, when there is none. Empty: reported already.
const Pool* find_pool(Reader& reader, const Config& config, const std::string& pool,
                      const std::string& path) {
  if (pool.empty()) {
    return nullptr;
  }
  const auto found = std::ranges::find(config.pools, pool, &Pool::name);
  if (found != config.pools.end()) {
    return &*found;
  }
  if (!config.pools.empty()) {
    std::string known;
    for (const Pool& each : config.pools) {
      known.append(known.empty() ? "" : ", ").append(each.name);
    }
    reader.refuse(path, fmt::format("the name of a pool ({}), found '{}'", known, pool));
  }
  return nullptr;
}

// The same for pools that a source's file of rules names.
void check_map_file(Reader& reader, const Config& config, const MapFile& file,
                    std::string_view needs_check) {
  std::size_t errors = 0;
  for (const MapRule& rule : file.rules) {
    if (rule.pool.empty() || errors == kMostMapErrors) {
      continue;
    }
    const auto pool = std::ranges::find(config.pools, rule.pool, &Pool::name);
    if (pool == config.pools.end()) {
      reader.refuse_in(file.path, rule.line,
                       fmt::format("the name of a pool, found '{}'", rule.pool));
      ++errors;
    } else if (pool->trusts_headgate()) {
      reader.refuse_in(file.path, rule.line, fmt::format("{}, found '{}'", needs_check, rule.pool));
      ++errors;
    }
  }
}

// Whether users come by tokens and nothing else for the backend.
bool brings_tokens(const UserSource& source) {
  return source.kind == SourceKind::kOauth || (source.dovecot_auth && source.dovecot_auth->tokens &&
                                               !source.dovecot_auth->brings_passwords);
}

// Whether users come by certificates and nothing else for the backend. The protocol of auth_http
// has a password in each answer to them.
bool brings_certificates(const UserSource& source) {
  return source.kind == SourceKind::kCertificate ||
         (source.dovecot_auth && source.dovecot_auth->external &&
          !source.dovecot_auth->brings_passwords);
}

// Certificates are judged in vain where no listener asks for them.
void check_asked_for(Reader& reader, const Config& config, std::size_t at) {
  const UserSource& source = config.users[at];
  if (!proofs(config, source).certificate) {
    return;
  }
  const std::string_view key = source.kind == SourceKind::kAuthHttp ? "http.methods"
                               : source.dovecot_auth                ? "dovecot_auth.external"
                                                                    : "source";
  if (std::ranges::none_of(config.listeners,
                           [](const Listener& listener) { return verifies_clients(listener); })) {
    reader.refuse(
        fmt::format("users[{}].{}", at, key),
        fmt::format("a listener with client_certificates for {}, found none",
                    source.kind == SourceKind::kCertificate ? "source certificate" : "external"));
  }
}

// All pools of a source that asks several have to be fit for the same logins.
void check_chain(Reader& reader, const Config& config, std::size_t at,
                 std::string_view needs_check) {
  const UserSource& source = config.users[at];
  if (!source.backend) {
    return;
  }
  const auto own = std::ranges::find(config.pools, source.pool, &Pool::name);
  const std::vector<std::string>& then = source.backend->then;
  for (std::size_t i = 0; i < then.size(); ++i) {
    const std::string path = fmt::format("users[{}].backend.then[{}]", at, i);
    const Pool* pool = find_pool(reader, config, then[i], path);
    const auto here = then.begin() + static_cast<std::ptrdiff_t>(i);
    if (pool == nullptr) {
      continue;
    }
    if (then[i] == source.pool || std::find(then.begin(), here, then[i]) != here) {
      reader.refuse(path, fmt::format("another pool, found '{}' again", then[i]));
    } else if (pool->trusts_headgate()) {
      reader.refuse(path, fmt::format("{}, found '{}'", needs_check, then[i]));
    } else if (own != config.pools.end() && !own->trusts_headgate() && own->login != pool->login) {
      reader.refuse(path, fmt::format("a pool with login {}, as pool {} has it, found '{}'",
                                      own->login == BackendLogin::kToken ? "token" : "password",
                                      own->name, then[i]));
    }
  }
}

// With source `backend`, and with sources told not to check, nobody but the backend checks the
// password, and a master login is one that it lets pass with any: whoever knows a user name would
// be in.
void check_users(Reader& reader, const Config& config) {
  constexpr std::string_view kNeedsCheck =
      "another pool: with source backend or map, or without check_password or "
      "dovecot_auth.checks_passwords, only the backend checks the user's password, and a master "
      "user, a secret or Headgate's certificate lets "
      "anyone pass there; a pool with a master user needs a source that checks passwords, and so "
      "does one with login secret or external";
  Once names(reader, "name");
  bool backend_checks = false;
  for (std::size_t i = 0; i < config.users.size(); ++i) {
    const std::string path = fmt::format("users[{}].pool", i);
    const Pool* pool = find_pool(reader, config, config.users[i].pool, path);
    if (!config.users[i].name.empty()) {
      names.add(config.users[i].name, fmt::format("users[{}].name", i));
    }
    if (config.users[i].trusts_backend() && reader.good(fmt::format("users[{}].source", i))) {
      backend_checks = true;
      if (pool != nullptr && pool->trusts_headgate()) {
        reader.refuse(path, fmt::format("{}, found '{}'", kNeedsCheck, pool->name));
      }
    }
    if (brings_certificates(config.users[i]) && pool != nullptr && !pool->trusts_headgate()) {
      reader.refuse(path,
                    fmt::format("a pool with a master user, or with login secret or external, "
                                "since a certificate is no password, found '{}'",
                                pool->name));
    }
    check_asked_for(reader, config, i);
    check_chain(reader, config, i, kNeedsCheck);
    if (brings_tokens(config.users[i]) && pool != nullptr && !pool->trusts_headgate() &&
        pool->login == BackendLogin::kPassword) {
      reader.refuse(path, fmt::format("a pool with a master user, or with login token, secret or "
                                      "external, since a token is no password, found '{}'",
                                      pool->name));
    }
  }
  for (std::size_t i = 0; i < config.users.size(); ++i) {
    check_map_file(reader, config, config.users[i].map_file, kNeedsCheck);
    for (std::size_t j = 0; j < config.users[i].map.size(); ++j) {
      const std::string path = fmt::format("users[{}].map[{}].pool", i, j);
      const Pool* pool = find_pool(reader, config, config.users[i].map[j].pool, path);
      if (pool != nullptr && pool->trusts_headgate()) {
        reader.refuse(path, fmt::format("{}, found '{}'", kNeedsCheck, pool->name));
      }
    }
  }
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    const std::string path = fmt::format("routes[{}].pool", i);
    const Pool* pool = find_pool(reader, config, config.routes[i].pool, path);
    if (backend_checks && pool != nullptr && pool->trusts_headgate()) {
      reader.refuse(path, fmt::format("{}, found '{}'", kNeedsCheck, pool->name));
    }
  }
}

void check_login(Reader& reader, const Config& config) {
  if (config.login.max_total < config.login.max_line) {
    reader.refuse("login.max_total", fmt::format("at least max_line ({} bytes), found {} bytes",
                                                 config.login.max_line, config.login.max_total));
  }
}

}  // namespace

// "sql" for the only source of its kind, else "sql-0", "sql-2" by their places. A name that is
// taken already is an error of check_users(), which comes later.
void name_sources(Config& config) {
  for (std::size_t i = 0; i < config.users.size(); ++i) {
    UserSource& source = config.users[i];
    if (source.name.empty()) {
      const auto alike = std::ranges::count(config.users, source.kind, &UserSource::kind);
      source.name =
          alike == 1 ? std::string(name(source.kind)) : fmt::format("{}-{}", name(source.kind), i);
    }
  }
}

void check_whole(Reader& reader, const Config& config) {
  check_listeners(reader, config);
  check_pools(reader, config);
  check_users(reader, config);
  check_login(reader, config);
  check_mechanisms(reader, config);
}

}  // namespace headgate::config
