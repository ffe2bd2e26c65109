#include "load/tls_client.h"

#include <stdexcept>

namespace headgate::bench {
namespace {

constexpr int kKeeper = 0;  // SSL_set_app_data's index

int keep_ticket(SSL* ssl, SSL_SESSION* session) {
  auto* const keeper = static_cast<TlsClient::TicketKeeper*>(SSL_get_ex_data(ssl, kKeeper));
  keeper->keep(SslSessionPtr(session));
  return 1;  // the reference is ours now
}

}  // namespace

TlsClient::TlsClient() : context_(SSL_CTX_new(TLS_client_method())) {
  SSL_CTX* const context = context_.get();
  if (context == nullptr || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1 ||
      SSL_CTX_set1_groups_list(context, "X25519:P-256") != 1) {
    throw std::runtime_error("OpenSSL lacks what the bench needs");
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, 131'072);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  SSL_CTX_sess_set_new_cb(context, keep_ticket);
}

SslPtr TlsClient::connect(int fd, SSL_SESSION* ticket, TicketKeeper& keeper) const {
  SslPtr ssl(SSL_new(context_.get()));
  if (!ssl || SSL_set_fd(ssl.get(), fd) != 1 || SSL_set_ex_data(ssl.get(), kKeeper, &keeper) != 1) {
    throw std::runtime_error("no memory for a TLS connection");
  }
  SSL_set_connect_state(ssl.get());
  if (ticket != nullptr) {
    SSL_set_session(ssl.get(), ticket);
  }
  return ssl;
}

}  // namespace headgate::bench
