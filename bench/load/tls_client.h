#pragma once

#include <openssl/ssl.h>

#include <memory>

namespace headgate::bench {

struct SslDeleter {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using SslPtr = std::unique_ptr<SSL, SslDeleter>;
using SslSessionPtr = std::unique_ptr<SSL_SESSION, SslDeleter>;

// The client side of TLS as every proxy is measured with it: TLS 1.3, TLS_AES_128_GCM_SHA256,
// X25519. The server's certificate is not verified: that would cost only the load generator.
class TlsClient {
 public:
  // Whoever keeps the tickets that a connection is given.
  class TicketKeeper {
   public:
    virtual ~TicketKeeper() = default;
    virtual void keep(SslSessionPtr ticket) = 0;
  };

  TlsClient();

  // A client connection on `fd`; resumes `ticket` when there is one; tickets go to `keeper`, which
  // must outlive the connection.
  SslPtr connect(int fd, SSL_SESSION* ticket, TicketKeeper& keeper) const;

 private:
  std::unique_ptr<SSL_CTX, SslDeleter> context_;
};

}  // namespace headgate::bench
