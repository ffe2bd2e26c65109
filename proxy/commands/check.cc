#include <fmt/format.h>

#include <cstdio>
#include <string>

#include "commands/commands.h"
#include "commands/loading.h"
#include "net/tls.h"
#include "server/health_words.h"

namespace headgate::commands {
namespace {

net::TlsPolicy policy_of(const config::Tls& tls) {
  return {tls.minimum_version, tls.ciphers, tls.cipher_suites, tls.groups};
}

bool report(const config::Config& config, std::string_view key, std::string_view error) {
  fmt::print(stderr, "{}: {}: {}\n", config.file, key, error);
  return false;
}

// What only OpenSSL can judge: whether certificates and keys are such and belong together, and
// whether it knows the ciphers. Reports all errors.
bool check_tls(const config::Config& config) {
  bool good = true;
  if (!config.tls.certificates.empty()) {
    net::ServerTlsOptions options;
    options.policy = policy_of(config.tls);
    for (const config::Certificate& each : config.tls.certificates) {
      options.certificates.push_back({each.certificate, each.key});
    }
    options.ticket_keys = net::make_ticket_keys();
    options.tickets = config.tls.session_tickets;
    if (const auto tls = net::ServerTls::create(options); !tls) {
      good = report(config, "tls", tls.error());
    }
  }
  for (const config::Pool& pool : config.pools) {
    if (pool.tls != config::TlsMode::kNone) {
      net::ClientTlsOptions options;
      options.policy = policy_of(config.tls);
      options.verify = pool.verify;
      options.ca_file = pool.ca;
      if (const auto tls = net::ClientTls::create(options); !tls) {
        good = report(config, "pools." + pool.name, tls.error());
      }
    }
  }
  return good;
}

std::string counted(std::size_t count, std::string_view thing) {
  return fmt::format("{} {}{}", count, thing, count == 1 ? "" : "s");
}

}  // namespace

int check(const std::string& config_file) {
  const auto config = load_config(config_file);
  if (!config) {
    return kFailure;
  }
  const bool tls = check_tls(*config);
  const bool sources = load_sources(*config).has_value();
  if (!tls || !sources) {
    return kFailure;
  }
  std::size_t backends = 0;
  for (const config::Pool& pool : config->pools) {
    backends += pool.backends.size();
  }
  fmt::print("{}: OK\n{}, {}, {}, {}\n", config_file, counted(config->listeners.size(), "listener"),
             counted(config->pools.size(), "pool"), counted(backends, "backend"),
             counted(config->users.size(), "user source"));
  for (const config::Pool& pool : config->pools) {
    if (pool.health) {
      fmt::print("pool {}: health checks: {}\n", pool.name, server::health_in_words(pool));
    }
  }
  return kSuccess;
}

}  // namespace headgate::commands
