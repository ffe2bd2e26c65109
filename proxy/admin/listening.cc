#include "admin/listening.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "base/log.h"

namespace headgate::admin {
namespace {

constexpr int kBacklog = 512;
constexpr std::chrono::milliseconds kLockPatience{2000};
constexpr std::chrono::milliseconds kLockPause{10};

std::unexpected<std::string> failure(std::string_view step) {
  return std::unexpected(fmt::format("{}: {}", step, std::strerror(errno)));
}

UniqueFd stream_socket(int family) {
  return UniqueFd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

std::expected<UniqueFd, std::string> listen_tcp(const Endpoint& endpoint) {
  sockaddr_storage storage{};
  const socklen_t length = endpoint.to_sockaddr(storage);
  UniqueFd fd = stream_socket(storage.ss_family);
  if (!fd) {
    return failure("socket");
  }
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (endpoint.ip.is_v6()) {
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0) {
    return failure("bind");
  }
  if (::listen(fd.get(), kBacklog) != 0) {
    return failure("listen");
  }
  return fd;
}

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

// Held while a socket file is looked at and replaced, so that of two processes that find the same
// stale one neither takes away what the other has just made. It is a lock on the folder: nothing
// is left behind, whatever happens. Whoever may read the folder can hold such a lock for ever, so
// it is waited for and not insisted on.
std::expected<UniqueFd, std::string> lock_folder_of(const std::string& path) {
  const std::string folder = path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) {
    return failure("open " + folder);
  }
  const auto deadline = std::chrono::steady_clock::now() + kLockPatience;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK || std::chrono::steady_clock::now() > deadline) {
      log::warning("admin socket without a lock on its folder",
                   {{"folder", folder}, {"error", std::string_view(std::strerror(errno))}});
      return fd;
    }
    std::this_thread::sleep_for(kLockPause);
  }
  return fd;
}

// Removes what a process that is gone has left at `path`.
std::expected<void, std::string> make_way(const std::string& path) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) {
    return errno == ENOENT ? std::expected<void, std::string>() : failure("stat");
  }
  if (!S_ISSOCK(found.st_mode)) {
    return std::unexpected(std::string("what is there is no socket"));
  }
  const UniqueFd fd = stream_socket(AF_UNIX);
  if (!fd) {
    return failure("socket");
  }
  const sockaddr_un address = unix_address(path);
  // Whatever else it says (a full queue, another kind of socket, no permission), somebody may be
  // there.
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
      errno == EAGAIN || errno == EPROTOTYPE) {
    errno = EADDRINUSE;
    return failure("bind");
  }
  if (errno != ECONNREFUSED) {
    return failure("connect");
  }
  return ::unlink(path.c_str()) == 0 ? std::expected<void, std::string>() : failure("unlink");
}

std::expected<void, std::string> set_access(const std::string& path, const SocketFile& file) {
  // First the group: chown may take bits away.
  if (file.group && ::lchown(path.c_str(), static_cast<::uid_t>(-1), *file.group) != 0) {
    return failure("chown");
  }
  if (::chmod(path.c_str(), file.mode) != 0) {
    return failure("chmod");
  }
  return {};
}

// Nobody can connect before listen(), which so comes after the file has its bits.
std::expected<UniqueFd, std::string> listen_unix(const std::string& path, const SocketFile& file) {
  UniqueFd fd = stream_socket(AF_UNIX);
  if (!fd) {
    return failure("socket");
  }
  const sockaddr_un address = unix_address(path);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return failure("bind");
  }
  auto ready = set_access(path, file);
  if (ready && ::listen(fd.get(), kBacklog) != 0) {
    ready = failure("listen");
  }
  if (!ready) {
    ::unlink(path.c_str());
    return std::unexpected(std::move(ready.error()));
  }
  return fd;
}

// As the kernel noted when they connected.
std::string credentials(int fd) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
    return "unknown";
  }
  return fmt::format("uid={},pid={}", peer.uid, peer.pid);
}

}  // namespace

std::expected<Listening, std::string> Listening::open(const LocalAddress& address,
                                                      const SocketFile& file) {
  if (!address.path.empty()) {
    const auto lock = lock_folder_of(address.path);
    if (!lock) {
      return std::unexpected(lock.error());
    }
    if (auto free = make_way(address.path); !free) {
      return std::unexpected(std::move(free.error()));
    }
    auto fd = listen_unix(address.path, file);
    if (!fd) {
      return std::unexpected(std::move(fd.error()));
    }
    Listening listening(*std::move(fd), address);
    struct stat made{};
    if (::lstat(address.path.c_str(), &made) == 0) {
      listening.device_ = made.st_dev;
      listening.inode_ = made.st_ino;
    }
    return listening;
  }
  auto fd = listen_tcp(address.endpoint);
  if (!fd) {
    return std::unexpected(std::move(fd.error()));
  }
  Listening listening(*std::move(fd), address);
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  if (::getsockname(listening.fd(), reinterpret_cast<sockaddr*>(&bound), &length) == 0) {
    listening.address_.endpoint = Endpoint::from_sockaddr(reinterpret_cast<sockaddr*>(&bound));
  }
  return listening;
}

std::expected<Accepted, int> Listening::accept() const {
  Accepted accepted;
  auto* address = reinterpret_cast<sockaddr*>(&accepted.address);
  do {
    accepted.length = sizeof accepted.address;
    accepted.fd.reset(
        ::accept4(fd_.get(), address, &accepted.length, SOCK_NONBLOCK | SOCK_CLOEXEC));
  } while (!accepted.fd && errno == EINTR);
  if (!accepted.fd) {
    return std::unexpected(errno);
  }
  if (via() == Via::kUnixSocket) {
    accepted.peer = credentials(accepted.fd.get());
    // Whatever name the client gave its own end, it is of no use.
    accepted.length = sizeof accepted.address.ss_family;
  } else {
    accepted.peer = Endpoint::from_sockaddr(address).ip.to_string();
  }
  return accepted;
}

void Listening::close() {
  struct stat found{};
  if (fd_ && !address_.path.empty() && ::lstat(address_.path.c_str(), &found) == 0 &&
      found.st_dev == device_ && found.st_ino == inode_) {
    ::unlink(address_.path.c_str());
  }
  fd_.reset();
}

Via Listening::via() const {
  if (!address_.path.empty()) {
    return Via::kUnixSocket;
  }
  return address_.endpoint.ip.is_loopback() ? Via::kLoopback : Via::kNetwork;
}

}  // namespace headgate::admin
