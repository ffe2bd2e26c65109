#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "net/tls.h"

namespace headgate::server {

// The TLS contexts of one worker under one configuration.
struct TlsContexts {
  // As config.listeners, many of which share one; null without certificates.
  std::vector<std::shared_ptr<net::ServerTls>> servers;
  std::vector<std::unique_ptr<net::ClientTls>> clients;  // as config.pools; null without TLS
  // The same for backends whose certificate is not looked at; null but with allow_any_cert.
  // Sessions are resumed by a context's own tickets alone, so that nothing unverified gets into the
  // others.
  std::vector<std::unique_ptr<net::ClientTls>> any_cert_clients;
};

// Reads certificates, keys and authorities. All errors, each "tls: …" or "pools.NAME: …" with the
// file's name.
std::expected<TlsContexts, std::vector<std::string>> make_tls_contexts(
    const config::Config& config, const std::shared_ptr<const net::TicketKeys>& ticket_keys);

}  // namespace headgate::server
