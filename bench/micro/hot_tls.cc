#include "micro/hot_tls.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/unique_fd.h"
#include "micro/temporary_certificate.h"

namespace headgate::bench {
namespace {

std::array<int, 2> make_pair() {
  std::array<int, 2> fds{};
  require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds.data()) == 0, "no socketpair");
  return fds;
}

}  // namespace

void require(bool condition, const char* what) {
  if (!condition) {
    std::fprintf(stderr, "headgate-hot-paths: %s\n", what);
    std::exit(1);
  }
}

RelayUnderTls::RelayUnderTls() {
  const TemporaryCertificate certificate;
  net::ServerTlsOptions server_options;
  server_options.policy.cipher_suites = "TLS_AES_128_GCM_SHA256";
  server_options.certificates = {certificate.files()};
  server_options.ticket_keys = net::make_ticket_keys();
  auto server_tls = net::ServerTls::create(server_options);
  net::ClientTlsOptions client_options;
  client_options.verify = false;
  auto client_tls = net::ClientTls::create(client_options);
  require(server_tls.has_value() && client_tls.has_value(), "no TLS context");
  server_tls_ = std::move(*server_tls);
  client_tls_ = std::move(*client_tls);

  const auto client = make_pair();
  const auto backend = make_pair();
  client_ = std::make_unique<net::Transport>(UniqueFd(client[0]), far_scratch_);
  client_side_ = std::make_unique<net::Transport>(UniqueFd(client[1]), near_scratch_);
  backend_side_ = std::make_unique<net::Transport>(UniqueFd(backend[1]), near_scratch_);
  backend_ = backend[0];
  shake_hands(*client_side_);
  relay_ = std::make_unique<relay::Relay>(*client_side_, *backend_side_, buffers_, pipes_);
}

RelayUnderTls::~RelayUnderTls() {
  ::close(backend_);
}

void RelayUnderTls::shake_hands(net::Transport& server) {
  client_->start_tls(*client_tls_, "localhost");
  server.start_tls(*server_tls_, "* OK ready\r\n");
  bool client_done = false;
  bool server_done = false;
  for (int i = 0; i < 10 && !(client_done && server_done); ++i) {
    client_done = client_done || client_->handshake().want == net::Want::kNone;
    server_done = server_done || server.handshake().want == net::Want::kNone;
  }
  require(client_done && server_done, "the TLS handshake did not end");
  client_hears(12);
  server.take_over_records();  // as a session does, where OpenSSL's version allows it
}

void RelayUnderTls::backend_says(std::string_view bytes) const {
  require(send(backend_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()),
          "a socketpair did not take what it should");
}

void RelayUnderTls::backend_hears(std::size_t size) {
  require(recv(backend_, received_.data(), received_.size(), 0) == static_cast<ssize_t>(size),
          "the relay did not deliver to the backend");
}

void RelayUnderTls::client_says(std::string_view bytes) {
  require(client_->write(bytes).bytes == bytes.size() && client_->flush().want == net::Want::kNone,
          "the client could not send");
}

void RelayUnderTls::client_hears(std::size_t size) {
  std::size_t got = 0;
  while (got < size) {
    const net::IoResult now = client_->read(received_);
    require(now.bytes > 0, "the relay did not deliver to the client");
    got += now.bytes;
  }
}

}  // namespace headgate::bench
