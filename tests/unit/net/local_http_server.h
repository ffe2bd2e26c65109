#pragma once

// An HTTP server for unit tests: blocking sockets, a thread a connection, and nothing of ours but
// the descriptor's owner. It answers whatever the test says, byte for byte.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/unique_fd.h"
#include "base/url.h"
#include "raw_peer.h"

namespace headgate::net::test {

class LocalHttpServer {
 public:
  // Gets a whole request, returns the whole answer. Called on the connections' threads, one at a
  // time.
  using Answer = std::function<std::string(const std::string& request)>;
  // As an answer: nothing more is sent, the connection stays open.
  inline static const std::string kHang = "(hang)";
  // At the end of an answer: the connection is closed behind it.
  inline static const std::string kClose = "(close)";
  enum class Tls : std::uint8_t { kNone, kYes };

  explicit LocalHttpServer(Answer answer, Tls tls = Tls::kNone)
      : answer_(std::move(answer)), context_(nullptr, &SSL_CTX_free) {
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to whoever has gone
    if (tls == Tls::kYes) {
      const CertificateFiles& files = Certificates::get().ecdsa;
      context_.reset(SSL_CTX_new(TLS_server_method()));
      SSL_CTX_use_certificate_chain_file(context_.get(), files.certificate.c_str());
      SSL_CTX_use_PrivateKey_file(context_.get(), files.key.c_str(), SSL_FILETYPE_PEM);
    }
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listener_.get(), generic, length), 0);
    EXPECT_EQ(::listen(listener_.get(), 64), 0);
    ::getsockname(listener_.get(), generic, &length);
    endpoint_ = Endpoint::from_sockaddr(generic);
    acceptor_ = std::thread([this] { accept_all(); });
  }

  ~LocalHttpServer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    acceptor_.join();
    {
      const std::lock_guard lock(mutex_);
      for (const UniqueFd& connection : connections_) {
        ::shutdown(connection.get(), SHUT_RDWR);
      }
    }
    for (std::thread& thread : threads_) {
      thread.join();
    }
  }
  LocalHttpServer(const LocalHttpServer&) = delete;
  LocalHttpServer& operator=(const LocalHttpServer&) = delete;

  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  [[nodiscard]] Url url(const std::string& host = "127.0.0.1",
                        const std::string& target = "/x") const {
    return *Url::parse((context_ ? "https://" : "http://") + host + ":" +
                       std::to_string(endpoint_.port) + target);
  }
  [[nodiscard]] std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  [[nodiscard]] std::size_t connections() const {
    const std::lock_guard lock(mutex_);
    return connections_.size();
  }
  void wait_for_requests(std::size_t count) {
    std::unique_lock lock(mutex_);
    news_.wait(lock, [&] { return requests_.size() >= count; });
  }

 private:
  void accept_all() {
    for (;;) {
      UniqueFd accepted(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!accepted) {
        return;
      }
      const std::lock_guard lock(mutex_);
      const int fd = accepted.get();
      connections_.push_back(std::move(accepted));
      threads_.emplace_back([this, fd] { serve(fd); });
    }
  }

  void serve(int fd) {
    const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(
        context_ ? SSL_new(context_.get()) : nullptr, &SSL_free);
    if (ssl) {
      SSL_set_fd(ssl.get(), fd);
      if (SSL_accept(ssl.get()) != 1) {
        ::shutdown(fd, SHUT_RDWR);
        return;
      }
    }
    std::string buffer;
    while (const auto request = read_request(fd, ssl.get(), buffer)) {
      if (!reply(fd, ssl.get(), *request)) {
        ::shutdown(fd, SHUT_RDWR);
        return;
      }
    }
  }

  // False: close the connection.
  bool reply(int fd, SSL* ssl, const std::string& request) {
    std::string answer;
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
      answer = answer_(request);
      news_.notify_all();
    }
    if (answer == kHang) {
      return true;
    }
    const bool close = answer.ends_with(kClose);
    answer.resize(answer.size() - (close ? kClose.size() : 0));
    for (std::size_t sent = 0; sent < answer.size();) {
      const std::string_view left = std::string_view(answer).substr(sent);
      const ssize_t more = ssl != nullptr
                               ? SSL_write(ssl, left.data(), static_cast<int>(left.size()))
                               : ::send(fd, left.data(), left.size(), MSG_NOSIGNAL);
      if (more <= 0) {
        return false;
      }
      sent += static_cast<std::size_t>(more);
    }
    return !close;
  }

  // Header and, by its Content-Length, body; nullopt at the end of the connection.
  static std::optional<std::string> read_request(int fd, SSL* ssl, std::string& buffer) {
    for (;;) {
      if (const std::size_t end = buffer.find("\r\n\r\n"); end != buffer.npos) {
        const std::size_t whole = end + 4 + content_length(buffer.substr(0, end));
        if (buffer.size() >= whole) {
          std::string request = buffer.substr(0, whole);
          buffer.erase(0, whole);
          return request;
        }
      }
      char chunk[4096];
      const ssize_t got =
          ssl != nullptr ? SSL_read(ssl, chunk, sizeof chunk) : ::recv(fd, chunk, sizeof chunk, 0);
      if (got <= 0) {
        return std::nullopt;
      }
      buffer.append(chunk, static_cast<std::size_t>(got));
    }
  }

  static std::size_t content_length(const std::string& head) {
    constexpr std::string_view kName = "\r\nContent-Length: ";
    const std::size_t at = head.find(kName);
    return at == head.npos ? 0 : std::stoul(head.substr(at + kName.size()));
  }

  const Answer answer_;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  UniqueFd listener_;
  Endpoint endpoint_;
  mutable std::mutex mutex_;  // guards what follows, and is held while answer_ runs
  std::condition_variable news_;
  std::vector<std::string> requests_;
  std::vector<UniqueFd> connections_;  // kept open until the end, so that no number is used again
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

// "HTTP/1.1 200 OK" with this body.
inline std::string http_ok(std::string_view body, std::string_view more_headers = "") {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(more_headers) + "\r\n" + std::string(body);
}

}  // namespace headgate::net::test
