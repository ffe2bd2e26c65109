#include "server/tls_contexts.h"

#include <utility>

namespace headgate::server {

namespace {

net::ServerTlsOptions server_options(const config::Config& config,
                                     const std::shared_ptr<const net::TicketKeys>& ticket_keys) {
  net::ServerTlsOptions options;
  options.policy = {config.tls.minimum_version, config.tls.ciphers, config.tls.cipher_suites,
                    config.tls.groups, config.relay.own_tls_records};
  for (const config::Certificate& pair : config.tls.certificates) {
    options.certificates.push_back({pair.certificate, pair.key});
  }
  options.ticket_keys = ticket_keys;
  options.tickets = config.tls.session_tickets;
  return options;
}

std::shared_ptr<net::ServerTls> make_server(const net::ServerTlsOptions& options,
                                            std::vector<std::string>& errors) {
  auto tls = net::ServerTls::create(options);
  if (!tls) {
    errors.push_back("tls: " + tls.error());
    return nullptr;
  }
  return *std::move(tls);
}

// Null without TLS.
std::unique_ptr<net::ClientTls> make_client(const config::Pool& pool, bool verify, bool own_records,
                                            std::vector<std::string>& errors) {
  if (pool.tls == config::TlsMode::kNone) {
    return nullptr;
  }
  net::ClientTlsOptions options{
      .policy = {.own_records = own_records}, .verify = verify, .ca_file = pool.ca};
  if (pool.client_certificate) {
    options.certificate = {pool.client_certificate->certificate, pool.client_certificate->key};
  }
  auto tls = net::ClientTls::create(options);
  if (!tls) {
    errors.push_back("pools." + pool.name + ": " + tls.error());
    return nullptr;
  }
  return *std::move(tls);
}

}  // namespace

std::expected<TlsContexts, std::vector<std::string>> make_tls_contexts(
    const config::Config& config, const std::shared_ptr<const net::TicketKeys>& ticket_keys) {
  TlsContexts contexts;
  std::vector<std::string> errors;
  std::shared_ptr<net::ServerTls> plain;  // of all listeners that ask for no certificates
  if (!config.tls.certificates.empty()) {
    plain = make_server(server_options(config, ticket_keys), errors);
  }
  for (const config::Listener& listener : config.listeners) {
    const bool asks = listener.tls != config::TlsMode::kNone && listener.client_certificates;
    if (!asks || !plain) {
      contexts.servers.push_back(plain);
      continue;
    }
    net::ServerTlsOptions options = server_options(config, ticket_keys);
    options.clients = {.ca_file = listener.client_certificates->ca,
                       .required = listener.client_certificates->required,
                       .depth = listener.client_certificates->depth,
                       .crl_file = listener.client_certificates->crl,
                       .unknown_authorities = listener.client_certificates->unknown_authorities};
    contexts.servers.push_back(make_server(options, errors));
  }
  const bool own_records = config.relay.own_tls_records;
  for (const config::Pool& pool : config.pools) {
    contexts.clients.push_back(make_client(pool, pool.verify, own_records, errors));
    contexts.any_cert_clients.push_back(
        pool.allow_any_cert ? make_client(pool, false, own_records, errors) : nullptr);
  }
  if (!errors.empty()) {
    return std::unexpected(std::move(errors));
  }
  return contexts;
}

}  // namespace headgate::server
