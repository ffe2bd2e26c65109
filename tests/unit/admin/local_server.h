#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "admin/server.h"
#include "base/unique_fd.h"
#include "metrics/collector.h"

namespace headgate::admin {

using namespace std::chrono_literals;

inline void connect_with(int fd, const LocalAddress& address) {
  sockaddr_storage storage{};
  socklen_t length = address.endpoint.to_sockaddr(storage);
  if (!address.path.empty()) {
    sockaddr_un by_path{};
    by_path.sun_family = AF_UNIX;
    address.path.copy(by_path.sun_path, sizeof by_path.sun_path - 1);
    std::memcpy(&storage, &by_path, length = sizeof by_path);
  }
  EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&storage), length), 0);
}

inline UniqueFd new_socket(const LocalAddress& address) {
  const int by_port = address.endpoint.ip.is_v6() ? AF_INET6 : AF_INET;
  return UniqueFd(
      ::socket(address.path.empty() ? by_port : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

inline UniqueFd connect_to(const LocalAddress& address) {
  UniqueFd fd = new_socket(address);
  connect_with(fd.get(), address);
  return fd;
}

// Everything until the server closes.
inline std::string read_all(int fd) {
  std::string answer;
  char chunk[4096];
  for (;;) {
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, 20'000) != 1) {
      ADD_FAILURE() << "no answer";
      return answer;
    }
    const ssize_t length = ::recv(fd, chunk, sizeof chunk, 0);
    if (length <= 0) {
      return answer;
    }
    answer.append(chunk, static_cast<std::size_t>(length));
  }
}

// The parameter is the address; that of a Unix socket is in a folder of the test's own.
class ServerTest : public testing::TestWithParam<const char*> {
 protected:
  ServerTest() {
    std::string name = (std::filesystem::temp_directory_path() / "headgate-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    const std::string wanted = GetParam();
    options_.addresses = {
        LocalAddress::parse(wanted.empty() ? folder_ + "/admin.sock" : wanted).value()};
    options_.counts = std::make_shared<metrics::AdminMetrics>();
    options_.metrics = std::make_shared<metrics::Collector>(metrics::Sources{
        .workers = {std::make_shared<metrics::WorkerMetrics>(std::vector<std::string>{"imaps"})},
        .backends = {},
        .health = {},
        .users = {},
        .limits = {},
        .user_sources = {},
        .lookup_servers = {},
        .guesses = {},
        .config = {},
        .certificates = {},
        .admin = options_.counts,
        .build = {}});
    options_.readiness = [this] {
      return ready_ ? Readiness{} : Readiness{false, "pool \"main\""};
    };
    options_.routes.push_back({"POST", "/echo", [](const Request& request) {
                                 return Response{.status = 200,
                                                 .content_type = "text/plain",
                                                 .body = std::string(request.query) + "|" +
                                                         std::string(request.body),
                                                 .headers = {}};
                               }});
    options_.max_body = 100;
    options_.request_timeout = 300ms;
  }

  ~ServerTest() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  void start() { server_ = Server::start(options_).value(); }
  std::string ask(std::string_view request) {
    if (server_ == nullptr) {
      start();
    }
    const UniqueFd fd = connect();
    EXPECT_EQ(::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    return read_all(fd.get());
  }
  [[nodiscard]] UniqueFd connect() const { return connect_to(server_->addresses().front()); }
  std::string get(const std::string& path) {
    return ask("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
  }

  std::string folder_;
  Options options_;
  std::atomic<bool> ready_{true};
  std::unique_ptr<Server> server_;
};

// Of the test suites' parameter.
inline std::string kind(const testing::TestParamInfo<const char*>& of) {
  const std::string wanted = of.param;
  return wanted.empty() ? "UnixSocket" : wanted.starts_with('[') ? "Ipv6" : "Ipv4";
}

}  // namespace headgate::admin
