#pragma once

// An auth service for unit tests, at a Unix socket of its own: blocking sockets, a thread a
// connection. It says whatever the test wants, byte for byte.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/unique_fd.h"

namespace headgate::sources::test {

class LocalAuthService {
 public:
  // Gets a line of the client behind the handshake without its end, returns whole lines. Called on
  // the connections' threads, one at a time.
  using Answer = std::function<std::string(const std::string& line)>;
  // At the end of an answer: the connection is closed behind it.
  inline static const std::string kClose = "(close)";
  // Likewise: a line follows every few milliseconds, until the client hangs up.
  inline static const std::string kDrip = "(drip)";
  // Everything at once, as 2.3 has it, and the whole behind the client's VERSION, as 2.4.
  inline static const std::string kHandshake =
      "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tCRAM-MD5\tdictionary\tactive\n"
      "MECH\tOAUTHBEARER\tplaintext\nMECH\tXOAUTH2\tplaintext\nMECH\tSCRAM-SHA-256\tmutual-auth\n"
      "SPID\t1234\nCUID\t1\nCOOKIE\t0123456789abcdef0123456789abcdef\nDONE\n";

  explicit LocalAuthService(Answer answer, std::string at_once = kHandshake,
                            std::string behind_version = "")
      : answer_(std::move(answer)),
        at_once_(std::move(at_once)),
        behind_version_(std::move(behind_version)) {
    static int count = 0;
    path_ =
        testing::TempDir() + "auth-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
    ::unlink(path_.c_str());
    listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_.get(), 16), 0);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~LocalAuthService() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    acceptor_.join();
    hang_up();
    for (std::thread& thread : threads_) {
      thread.join();
    }
    ::unlink(path_.c_str());
  }
  LocalAuthService(const LocalAuthService&) = delete;
  LocalAuthService& operator=(const LocalAuthService&) = delete;

  [[nodiscard]] SocketAddress address() const { return {.path = path_, .host = {}}; }
  // All lines of all clients, the handshake's included.
  [[nodiscard]] std::vector<std::string> lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  [[nodiscard]] std::size_t connections() const {
    const std::lock_guard lock(mutex_);
    return connections_.size();
  }
  void hang_up() {
    const std::lock_guard lock(mutex_);
    for (const UniqueFd& connection : connections_) {
      ::shutdown(connection.get(), SHUT_RDWR);
    }
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
    bool open = say(fd, at_once_);
    std::string buffer;
    char chunk[4096];
    while (open) {
      const ssize_t got = ::recv(fd, chunk, sizeof chunk, 0);
      if (got <= 0) {
        break;
      }
      buffer.append(chunk, static_cast<std::size_t>(got));
      for (std::size_t end = buffer.find('\n'); open && end != buffer.npos;
           end = buffer.find('\n')) {
        const std::string line = buffer.substr(0, end);
        buffer.erase(0, end + 1);
        open = take(fd, line);
      }
    }
    ::shutdown(fd, SHUT_RDWR);
  }

  bool take(int fd, const std::string& line) {
    std::string answer;
    {
      const std::lock_guard lock(mutex_);
      lines_.push_back(line);
      if (line.starts_with("VERSION\t")) {
        answer = behind_version_;
      } else if (!line.starts_with("CPID\t")) {
        answer = answer_(line);
      }
    }
    if (answer.ends_with(kDrip)) {
      bool open = say(fd, answer.substr(0, answer.size() - kDrip.size()));
      while (open) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        open = say(fd, "SPID\t1\n");
      }
      return false;
    }
    const bool close = answer.ends_with(kClose);
    answer.resize(answer.size() - (close ? kClose.size() : 0));
    return say(fd, answer) && !close;
  }

  static bool say(int fd, const std::string& text) {
    return ::send(fd, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }

  const Answer answer_;
  const std::string at_once_;
  const std::string behind_version_;
  std::string path_;
  UniqueFd listener_;
  mutable std::mutex mutex_;  // guards what follows, and is held while answer_ runs
  std::vector<std::string> lines_;
  std::vector<UniqueFd> connections_;  // kept open until the end, so that no number is used again
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

// The number of the request that a line is about.
inline std::string request_of(const std::string& line) {
  const std::size_t begin = line.find('\t') + 1;
  return line.substr(begin, line.find('\t', begin) - begin);
}

}  // namespace headgate::sources::test
