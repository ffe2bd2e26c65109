#include "net/socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include <fmt/format.h>

namespace headgate::net {
namespace {

void set_option(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof value);
}

int family_of(const Endpoint& endpoint) {
  return endpoint.ip.is_v6() ? AF_INET6 : AF_INET;
}

UniqueFd tcp_socket(const Endpoint& address) {
  return UniqueFd(
      ::socket(family_of(address), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
}

// Errors of accept() that belong to the connection that was to be accepted, not to the listener
// (accept(2), "Error handling").
bool is_error_of_one_connection(int error) {
  switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::size_t unacknowledged(int fd) {
  int bytes = 0;
  return ::ioctl(fd, TIOCOUTQ, &bytes) == 0 ? static_cast<std::size_t>(bytes) : 0;
}

std::expected<UniqueFd, std::string> listen_tcp(const Endpoint& address, int backlog) {
  const auto failure = [&](const char* step) {
    return std::unexpected(
        fmt::format("{} {}: {}", step, address.to_string(), std::strerror(errno)));
  };
  UniqueFd fd = tcp_socket(address);
  if (!fd) {
    return failure("socket");
  }
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  const int on = 1;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) {
    return failure("SO_REUSEPORT");
  }
  if (address.ip.is_v6()) {
    // [::]:993 beside 0.0.0.0:993, whatever net.ipv6.bindv6only says.
    set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  }
  sockaddr_storage storage{};
  const socklen_t length = address.to_sockaddr(storage);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0) {
    return failure("bind");
  }
  if (::listen(fd.get(), backlog) != 0) {
    return failure("listen");
  }
  return fd;
}

AcceptResult accept_tcp(int listener) {
  for (;;) {
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    auto* address = reinterpret_cast<sockaddr*>(&storage);
    UniqueFd fd(::accept4(listener, address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      return {{std::move(fd), Endpoint::from_sockaddr(address), {}}, 0};
    }
    if (!is_error_of_one_connection(errno)) {
      return {{}, errno == EWOULDBLOCK ? EAGAIN : errno};
    }
  }
}

std::expected<UniqueFd, int> connect_tcp(const Endpoint& address, const KeepAlive& keepalive) {
  UniqueFd fd = tcp_socket(address);
  if (!fd) {
    return std::unexpected(errno);
  }
  tune(fd.get(), keepalive);
  sockaddr_storage storage{};
  const socklen_t length = address.to_sockaddr(storage);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0 &&
      errno != EINPROGRESS && errno != EINTR) {
    return std::unexpected(errno);
  }
  return fd;
}

std::expected<UniqueFd, int> connect_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return std::unexpected(ENAMETOOLONG);
  }
  path.copy(address.sun_path, path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  // EAGAIN: its backlog is full, which is as good as refused.
  if (!fd ||
      ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return std::unexpected(errno);
  }
  return fd;
}

void tune(int fd, const KeepAlive& keepalive) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, keepalive.idle_s > 0 ? 1 : 0);
  if (keepalive.idle_s == 0) {
    return;
  }
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, static_cast<int>(keepalive.idle_s));
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, static_cast<int>(keepalive.interval_s));
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, static_cast<int>(keepalive.probes));
}

Endpoint local_endpoint(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (::getsockname(fd, address, &length) != 0) {
    return {};
  }
  return Endpoint::from_sockaddr(address);
}

std::expected<std::vector<Endpoint>, std::string> resolve(const HostPort& host) {
  if (const auto literal = IpAddress::parse(host.host)) {
    return std::vector{Endpoint{*literal, host.port}};
  }
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  if (const int result = ::getaddrinfo(host.host.c_str(), nullptr, &hints, &found); result != 0) {
    const char* why = result == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(result);
    return std::unexpected(fmt::format("resolve {}: {}", host.host, why));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  std::vector<Endpoint> endpoints;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    if (each->ai_family == AF_INET || each->ai_family == AF_INET6) {
      Endpoint endpoint = Endpoint::from_sockaddr(each->ai_addr);
      endpoint.port = host.port;
      endpoints.push_back(endpoint);
    }
  }
  if (endpoints.empty()) {
    return std::unexpected(fmt::format("resolve {}: no address", host.host));
  }
  return endpoints;
}

}  // namespace headgate::net
