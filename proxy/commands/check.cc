#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <string>

#include "commands/commands.h"
#include "commands/loading.h"
#include "net/tls.h"
#include "server/certificates.h"
#include "server/health/health_words.h"
#include "server/tls_contexts.h"

namespace headgate::commands {
namespace {

// What only OpenSSL can judge: whether certificates and keys are such and belong together, and
// whether it knows the ciphers. Reports all errors.
bool check_tls(const config::Config& config) {
  const auto contexts = server::make_tls_contexts(config, net::make_ticket_keys());
  if (!contexts) {
    for (const std::string& error : contexts.error()) {
      fmt::print(stderr, "{}: {}\n", config.file, error);
    }
  }
  return contexts.has_value();
}

// What is no error today and will be one.
void warn_of_expiry(const config::Config& config) {
  if (const auto certificates = server::read_certificates(config.tls)) {
    for (const std::string& line :
         server::expiry_warnings(*certificates, std::chrono::system_clock::now())) {
      fmt::print(stderr, "{}: warning: certificate {}\n", config.file, line);
    }
  }
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
  warn_of_expiry(*config);
  std::size_t backends = 0;
  for (const config::Pool& pool : config->pools) {
    backends += pool.backends.size();
  }
  fmt::print("{}: OK\n{}, {}, {}, {}\n", config_file, counted(config->listeners.size(), "listener"),
             counted(config->pools.size(), "pool"), counted(backends, "backend"),
             counted(config->users.size(), "user source"));
  for (const config::Pool& pool : config->pools) {
    if (pool.srv) {
      fmt::print("pool {}: backends by SRV {}\n", pool.name, pool.srv->name);
    }
    if (pool.health) {
      fmt::print("pool {}: health checks: {}\n", pool.name, server::health_in_words(pool));
    }
  }
  return kSuccess;
}

}  // namespace headgate::commands
