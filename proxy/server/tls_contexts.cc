#include "server/tls_contexts.h"

#include <utility>

namespace headgate::server {

std::expected<TlsContexts, std::vector<std::string>> make_tls_contexts(
    const config::Config& config, const std::shared_ptr<const net::TicketKeys>& ticket_keys) {
  TlsContexts contexts;
  std::vector<std::string> errors;
  if (!config.tls.certificates.empty()) {
    net::ServerTlsOptions options;
    options.policy = {config.tls.minimum_version, config.tls.ciphers, config.tls.cipher_suites,
                      config.tls.groups};
    for (const config::Certificate& pair : config.tls.certificates) {
      options.certificates.push_back({pair.certificate, pair.key});
    }
    options.ticket_keys = ticket_keys;
    options.tickets = config.tls.session_tickets;
    if (auto tls = net::ServerTls::create(options)) {
      contexts.server = *std::move(tls);
    } else {
      errors.push_back("tls: " + tls.error());
    }
  }
  for (const config::Pool& pool : config.pools) {
    contexts.clients.emplace_back();
    if (pool.tls == config::TlsMode::kNone) {
      continue;
    }
    net::ClientTlsOptions options{.policy = {}, .verify = pool.verify, .ca_file = pool.ca};
    if (pool.client_certificate) {
      options.certificate = {pool.client_certificate->certificate, pool.client_certificate->key};
    }
    if (auto tls = net::ClientTls::create(options)) {
      contexts.clients.back() = *std::move(tls);
    } else {
      errors.push_back("pools." + pool.name + ": " + tls.error());
    }
  }
  if (!errors.empty()) {
    return std::unexpected(std::move(errors));
  }
  return contexts;
}

}  // namespace headgate::server
