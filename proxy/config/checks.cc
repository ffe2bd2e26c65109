#include <fmt/format.h>

#include <algorithm>
#include <map>

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
  }
  if (config.admin.address && config.admin.address->port != 0) {
    addresses.add(config.admin.address->to_string(), "admin.address");
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
    if (leads_here && source.kind == SourceKind::kAuthHttp) {
      named = true;
    } else if (leads_here) {
      needed_by = fmt::format("users[{}]", i);
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
    if (pool.backends.empty() && !reader.has(fmt::format("pools.{}.backends[0]", pool.name))) {
      check_empty_pool(reader, config, pool);
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

// With source `backend` nobody but the backend checks the password, and a master login is one that
// it lets pass with any: whoever knows a user name would be in.
void check_users(Reader& reader, const Config& config) {
  constexpr std::string_view kNeedsCheck =
      "another pool: with source backend only the backend checks the user's password, and a master "
      "user lets anyone pass there; a pool with a master user needs a source that checks passwords";
  bool backend_checks = false;
  for (std::size_t i = 0; i < config.users.size(); ++i) {
    const std::string path = fmt::format("users[{}].pool", i);
    const Pool* pool = find_pool(reader, config, config.users[i].pool, path);
    if (config.users[i].kind == SourceKind::kBackend &&
        reader.good(fmt::format("users[{}].source", i))) {
      backend_checks = true;
      if (pool != nullptr && pool->master) {
        reader.refuse(path, fmt::format("{}, found '{}'", kNeedsCheck, pool->name));
      }
    }
  }
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    const std::string path = fmt::format("routes[{}].pool", i);
    const Pool* pool = find_pool(reader, config, config.routes[i].pool, path);
    if (backend_checks && pool != nullptr && pool->master) {
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

void check_whole(Reader& reader, const Config& config) {
  check_listeners(reader, config);
  check_pools(reader, config);
  check_users(reader, config);
  check_login(reader, config);
}

}  // namespace headgate::config
