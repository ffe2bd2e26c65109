#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct ssl_ctx_st;
struct ssl_st;

namespace headgate::net {

struct CertificateFiles {
  std::string certificate;  // PEM: leaf first, then the chain
  std::string key;          // PEM, not encrypted
};

// What server and client side have in common; empty strings mean OpenSSL's or our default.
struct TlsPolicy {
  std::string minimum_version = "1.2";  // "1.2" or "1.3"
  std::string ciphers;                  // TLS 1.2 list
  std::string cipher_suites;            // TLS 1.3 list
  std::string groups;                   // "X25519:P-256"
  // Connections may be taken over from OpenSSL: Transport::take_over_records().
  bool own_records = true;
};

// Keys that seal session tickets: the same for all workers, so that a client may resume on any.
class TicketKeys;
std::shared_ptr<const TicketKeys> make_ticket_keys();

// What the certificates of clients have to be.
struct ClientVerification {
  std::string ca_file;    // PEM: the authorities; clients are told their names. Empty: none
  bool required = false;  // the handshake fails without a certificate
  unsigned depth = 4;     // intermediate authorities
  std::string crl_file;   // PEM: revocation lists of the authorities that sign them; empty: none
  // A certificate whose only fault is that no authority of `ca_file` vouches for it passes the
  // handshake, and is unverified_client_certificate() then.
  bool unknown_authorities = false;
};

struct ServerTlsOptions {
  TlsPolicy policy;
  std::vector<CertificateFiles>
      certificates;  // RSA and ECDSA side by side; the first one of a kind wins
  std::shared_ptr<const TicketKeys> ticket_keys;
  unsigned tickets = 1;  // TLS 1.3 tickets per full handshake; 0: no resumption at all
  std::optional<ClientVerification> clients = {};  // not set: no certificate is asked for
};

// A server-side SSL_CTX. One per worker: OpenSSL 3.0 contends on shared ones.
class ServerTls {
 public:
  // The error names the file and what is wrong with it.
  static std::expected<std::unique_ptr<ServerTls>, std::string> create(
      const ServerTlsOptions& options);
  ~ServerTls();
  [[nodiscard]] ssl_ctx_st* raw() const { return context_; }
  // Whether each connection has ChannelBindings, whatever its client can do.
  [[nodiscard]] bool always_bound() const { return always_bound_; }

 private:
  explicit ServerTls(ssl_ctx_st* context);
  ssl_ctx_st* context_;
  const bool always_bound_;
};

struct ClientTlsOptions {
  TlsPolicy policy;
  bool verify = true;
  std::string ca_file;                               // PEM; empty: the system's
  std::optional<CertificateFiles> certificate = {};  // for servers that ask for one
};

// A client-side SSL_CTX, with sessions kept for resumption, one per server name and address, for
// the first kMaxServers of them. One per worker. Connections may outlive it.
class ClientTls {
 public:
  static std::expected<std::unique_ptr<ClientTls>, std::string> create(
      const ClientTlsOptions& options);
  ~ClientTls();
  [[nodiscard]] ssl_ctx_st* raw() const { return context_; }
  [[nodiscard]] bool verifies() const { return verify_; }

  static constexpr std::size_t kMaxServers = 1024;
  // Gives a new connection the session kept for this server, if there is one, and sees to it that
  // the one the server hands out is kept. `address` tells apart servers of one name.
  void use_session(ssl_st* ssl, const std::string& server_name, std::string_view address);

 private:
  ClientTls(ssl_ctx_st* context, bool verify) : context_(context), verify_(verify) {}
  ssl_ctx_st* context_;
  bool verify_;
};

}  // namespace headgate::net
