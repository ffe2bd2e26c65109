#pragma once

// What the tests of net and relay have on the other end of a socket: certificates made on the spot
// and a peer that is OpenSSL and sockets and nothing of ours.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include "base/unique_fd.h"
#include "net/tls.h"
#include "net/transport.h"

namespace headgate::net::test {

// A directory that goes with the object.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "headgate-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] std::string file(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

inline Key make_key(bool is_rsa) {
  EVP_PKEY* key = is_rsa ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048})
                         : EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
  return {key, &EVP_PKEY_free};
}

inline void write_key(const std::string& path, EVP_PKEY* key, const char* passphrase = nullptr) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  PEM_write_PrivateKey(file, key, passphrase != nullptr ? EVP_aes_128_cbc() : nullptr, nullptr, 0,
                       nullptr, const_cast<char*>(passphrase));
  std::fclose(file);
}

// Signed by itself, for "mail.example.org", "localhost" and 127.0.0.1; its own authority.
inline void write_certificate(const std::string& path, EVP_PKEY* key) {
  const std::unique_ptr<X509, decltype(&X509_free)> made(X509_new(), &X509_free);
  X509* certificate = made.get();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  const std::string common_name = "mail.example.org";
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name.data()), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  for (const auto& [kind, value] :
       {std::pair{NID_subject_alt_name, "DNS:mail.example.org,DNS:localhost,IP:127.0.0.1"},
        std::pair{NID_basic_constraints, "critical,CA:TRUE"}}) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  const bool hashes_itself = EVP_PKEY_is_a(key, "ED25519") == 1;
  X509_sign(certificate, key, hashes_itself ? nullptr : EVP_sha256());
  std::FILE* file = std::fopen(path.c_str(), "w");
  PEM_write_X509(file, certificate);
  std::fclose(file);
}

// One ECDSA and one RSA certificate for all tests of a program.
struct Certificates {
  TemporaryDirectory directory;
  CertificateFiles ecdsa{directory.file("ecdsa.pem"), directory.file("ecdsa.key")};
  CertificateFiles rsa{directory.file("rsa.pem"), directory.file("rsa.key")};

  Certificates() {
    for (const auto& [files, is_rsa] : {std::pair{ecdsa, false}, std::pair{rsa, true}}) {
      const Key key = make_key(is_rsa);
      write_key(files.key, key.get());
      write_certificate(files.certificate, key.get());
    }
  }
  static const Certificates& get() {
    static const Certificates certificates;
    return certificates;
  }
};

inline std::unique_ptr<ServerTls> make_server_tls(std::shared_ptr<const TicketKeys> keys = nullptr,
                                                  unsigned tickets = 1) {
  ServerTlsOptions options;
  options.certificates = {Certificates::get().ecdsa, Certificates::get().rsa};
  options.ticket_keys = std::move(keys);
  options.tickets = tickets;
  auto made = ServerTls::create(options);
  EXPECT_TRUE(made.has_value()) << made.error();
  return std::move(*made);
}

inline std::unique_ptr<ClientTls> make_client_tls() {
  ClientTlsOptions options;
  options.ca_file = Certificates::get().ecdsa.certificate;
  auto made = ClientTls::create(options);
  EXPECT_TRUE(made.has_value()) << made.error();
  return std::move(*made);
}

struct SocketPair {
  UniqueFd ours;
  UniqueFd theirs;
};

// Non-blocking; `send_buffer` 0 leaves the kernel's default.
inline SocketPair socket_pair(int send_buffer = 0) {
  int fds[2] = {-1, -1};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
  if (send_buffer > 0) {
    for (const int fd : fds) {
      ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
    }
  }
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// Over loopback TCP, for what socketpairs do not have: RST.
inline SocketPair tcp_pair() {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(listener.get(), generic, length), 0);
  EXPECT_EQ(::listen(listener.get(), 1), 0);
  ::getsockname(listener.get(), generic, &length);
  UniqueFd theirs(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(theirs.get(), generic, length), 0);
  UniqueFd ours(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  EXPECT_EQ(::fcntl(theirs.get(), F_SETFL, O_NONBLOCK), 0);
  return {std::move(ours), std::move(theirs)};
}

// Closing the socket now sends RST instead of FIN.
inline void arm_reset(int fd) {
  const linger now{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

inline bool wait_for(int fd, short events, int timeout_ms = 5000) {
  pollfd waiting{fd, events, 0};
  return ::poll(&waiting, 1, timeout_ms) == 1;
}

inline std::string random_bytes(std::size_t size) {
  std::string bytes(size, '\0');
  RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(size));
  return bytes;
}

// The peer: a socket, with TLS or without. Every call does what can be done now.
class RawPeer {
 public:
  enum class Role { kPlain, kTlsClient, kTlsServer };

  RawPeer(UniqueFd fd, Role role, int tls_version = 0, SSL_SESSION* session = nullptr)
      : fd_(std::move(fd)) {
    if (role == Role::kPlain) {
      return;
    }
    context_ = SSL_CTX_new(role == Role::kTlsClient ? TLS_client_method() : TLS_server_method());
    SSL_CTX_set_min_proto_version(context_, tls_version);
    SSL_CTX_set_max_proto_version(context_, tls_version);
    SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (role == Role::kTlsServer) {
      const CertificateFiles& files = Certificates::get().ecdsa;
      SSL_CTX_use_certificate_chain_file(context_, files.certificate.c_str());
      SSL_CTX_use_PrivateKey_file(context_, files.key.c_str(), SSL_FILETYPE_PEM);
    }
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, fd_.get());
    if (session != nullptr) {
      SSL_set_session(ssl_, session);
    }
    role == Role::kTlsClient ? SSL_set_connect_state(ssl_) : SSL_set_accept_state(ssl_);
  }
  ~RawPeer() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  // True when there is nothing (more) to shake.
  bool handshake() {
    ERR_clear_error();
    return ssl_ == nullptr || SSL_do_handshake(ssl_) == 1;
  }
  // Takes what is there, at most `limit` bytes.
  std::string read(std::size_t limit = std::string::npos) {
    std::string all;
    char chunk[16384];
    while (all.size() < limit) {
      const std::size_t room = std::min(sizeof chunk, limit - all.size());
      std::size_t bytes = 0;
      if (!read_once(chunk, room, bytes)) {
        break;
      }
      all.append(chunk, bytes);
    }
    return all;
  }
  // Returns how much was taken.
  std::size_t write(std::string_view from) {
    std::size_t total = 0;
    while (total < from.size()) {
      std::size_t bytes = 0;
      if (!write_once(from.substr(total), bytes)) {
        break;
      }
      total += bytes;
    }
    return total;
  }
  void close_notify() {
    ERR_clear_error();
    SSL_shutdown(ssl_);
  }
  // An end in order: close_notify where there is TLS, then FIN.
  void end() {
    if (ssl_ != nullptr) {
      close_notify();
    }
    ::shutdown(fd_.get(), SHUT_WR);
  }
  void reset() {
    arm_reset(fd_.get());
    fd_.reset();
  }
  void close() { fd_.reset(); }

  [[nodiscard]] bool saw_end() const { return saw_end_; }      // close_notify, or FIN without TLS
  [[nodiscard]] bool saw_error() const { return saw_error_; }  // anything else that ends
  [[nodiscard]] SSL* ssl() const { return ssl_; }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  bool read_once(char* into, std::size_t size, std::size_t& bytes) {
    if (ssl_ == nullptr) {
      const ssize_t got = ::recv(fd_.get(), into, size, 0);
      bytes = got > 0 ? static_cast<std::size_t>(got) : 0;
      saw_end_ |= got == 0;
      saw_error_ |= got < 0 && errno != EAGAIN;
      return got > 0;
    }
    ERR_clear_error();
    const int done = SSL_read_ex(ssl_, into, size, &bytes);
    if (done != 1) {
      const int error = SSL_get_error(ssl_, done);
      saw_end_ |= error == SSL_ERROR_ZERO_RETURN;
      saw_error_ |= error == SSL_ERROR_SSL || error == SSL_ERROR_SYSCALL;
    }
    return done == 1;
  }
  bool write_once(std::string_view from, std::size_t& bytes) {
    if (ssl_ == nullptr) {
      const ssize_t sent = ::send(fd_.get(), from.data(), from.size(), MSG_NOSIGNAL);
      bytes = sent > 0 ? static_cast<std::size_t>(sent) : 0;
      return sent > 0;
    }
    ERR_clear_error();
    return SSL_write_ex(ssl_, from.data(), from.size(), &bytes) == 1;
  }

  UniqueFd fd_;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  bool saw_end_ = false;
  bool saw_error_ = false;
};

// Until both sides are done; false when they do not get there.
inline bool shake_hands(Transport& ours, RawPeer& theirs) {
  bool ours_done = false;
  bool theirs_done = false;
  for (int turn = 0; turn < 200 && !(ours_done && theirs_done); ++turn) {
    theirs_done = theirs_done || theirs.handshake();
    if (!ours_done) {
      const Want want = ours.handshake().want;
      ours_done = want == Want::kNone;
      if (want == Want::kFailed || want == Want::kClosed) {
        return false;
      }
    }
  }
  return ours_done && theirs_done;
}

}  // namespace headgate::net::test
