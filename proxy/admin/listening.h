#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <utility>

#include "base/address.h"
#include "base/unique_fd.h"

namespace headgate::admin {

// Who may open a Unix socket: the bits of its file, as for chmod(2), and the group that owns it.
struct SocketFile {
  ::mode_t mode = 0600;
  std::optional<::gid_t> group;  // nullopt: that of the process
};

// What an address is to those who reach it.
enum class Via : std::uint8_t {
  kNetwork,     // anybody whom the network lets through
  kLoopback,    // anybody on this machine
  kUnixSocket,  // whoever may open its file
};

// Somebody who has connected.
struct Accepted {
  UniqueFd fd;       // non-blocking
  std::string peer;  // "192.0.2.1"; at a Unix socket user and process: "uid=1000,pid=4242"
  sockaddr_storage address{};
  socklen_t length = 0;
};

// A non-blocking socket that listens, and the file of a Unix socket, which goes with it.
class Listening {
 public:
  // A socket file that nobody listens on any more is replaced. One that somebody listens on, or
  // that is no socket, is an error and stays. The error says what failed and why.
  static std::expected<Listening, std::string> open(const LocalAddress& address,
                                                    const SocketFile& file);
  Listening(Listening&& other) noexcept = default;
  Listening& operator=(Listening&&) = delete;
  ~Listening() { close(); }

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const LocalAddress& address() const { return address_; }  // as bound
  [[nodiscard]] Via via() const;
  // The next one who waits. The error is an errno, EAGAIN where nobody does.
  [[nodiscard]] std::expected<Accepted, int> accept() const;
  // Takes the socket file away, unless another one stands there by now, and then the socket.
  void close();

 private:
  Listening(UniqueFd fd, LocalAddress address) : fd_(std::move(fd)), address_(std::move(address)) {}

  UniqueFd fd_;
  LocalAddress address_;
  ::dev_t device_ = 0;  // of the socket file, as is
  ::ino_t inode_ = 0;
};

}  // namespace headgate::admin
