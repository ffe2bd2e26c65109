#include "admin/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "admin/json.h"
#include "base/unique_fd.h"
#include "metrics/collector.h"

namespace headgate::admin {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

UniqueFd connect_to(const Endpoint& address) {
  sockaddr_storage storage{};
  const socklen_t length = address.to_sockaddr(storage);
  UniqueFd fd(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length), 0);
  return fd;
}

// Everything until the server closes.
std::string read_all(int fd) {
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

class ServerTest : public testing::Test {
 protected:
  ServerTest() {
    options_.address = Endpoint::parse("127.0.0.1:0").value();
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

  void start() { server_ = Server::start(options_).value(); }
  std::string ask(std::string_view request) {
    if (server_ == nullptr) {
      start();
    }
    const UniqueFd fd = connect_to(server_->endpoint());
    EXPECT_EQ(::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    return read_all(fd.get());
  }
  std::string get(const std::string& path) {
    return ask("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
  }

  Options options_;
  std::atomic<bool> ready_{true};
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, MetricsAreServedInThePrometheusTextFormat) {
  const std::string answer = get("/metrics");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  EXPECT_THAT(answer, HasSubstr("\nheadgate_connections_total{listener=\"imaps\"} 0\n"));
}

TEST_F(ServerTest, HealthIsOkWhileTheProcessServes) {
  EXPECT_THAT(get("/healthz"), EndsWith("\r\n\r\nok\n"));
}

TEST_F(ServerTest, ReadinessFollowsItsCallback) {
  EXPECT_THAT(get("/readyz"), StartsWith("HTTP/1.1 200 OK\r\n"));
  ready_ = false;
  const std::string answer = get("/readyz");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n{\"error\":\"pool \\\"main\\\"\"}\n"));
  ready_ = true;
  EXPECT_THAT(get("/readyz"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(ServerTest, HeadIsGetWithoutTheBody) {
  const std::string answer = ask("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 3\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(ServerTest, WhatIsNotThereIs404AndTheWrongMethod405) {
  for (const char* path : {"/", "/metrics/x", "/METRICS", "/healthz/", "/../etc/passwd", "/%00"}) {
    const std::string answer = get(path);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 4")) << path;
    EXPECT_THAT(answer, HasSubstr("\r\n\r\n{\"error\":\"")) << path;
  }
  EXPECT_THAT(get("/nowhere"), EndsWith("{\"error\":\"no such path\"}\n"));
  const std::string answer = ask("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 405 Method Not Allowed\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nAllow: GET, HEAD\r\n"));
  EXPECT_THAT(get("/echo"), HasSubstr("\r\nAllow: POST\r\n"));
}

TEST_F(ServerTest, ARouteOfTheTableGetsQueryAndBody) {
  EXPECT_THAT(ask("POST /echo?user=a%20b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"),
              EndsWith("\r\n\r\nuser=a%20b|hello"));
}

TEST_F(ServerTest, ABodyHasALimitHoweverItComes) {
  const std::string body(101, 'x');
  const std::string announced =
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n" + body;
  EXPECT_THAT(ask(announced), StartsWith("HTTP/1.1 413 "));
  const std::string chunked =
      "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" + body +
      "\r\n0\r\n\r\n";
  EXPECT_THAT(ask(chunked), StartsWith("HTTP/1.1 413 "));
}

TEST_F(ServerTest, BrokenRequestsGetAClearAnswer) {
  EXPECT_THAT(ask("\x16\x03\x01 nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400 Bad Request\r\n"));
  const std::string huge = "GET /healthz HTTP/1.1\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n";
  const std::string answer = ask(huge);
  EXPECT_THAT(answer, Not(HasSubstr(" 200 ")));
  EXPECT_THAT(get("/healthz"), EndsWith("ok\n"));
}

TEST_F(ServerTest, AClientThatSendsNothingDoesNotHoldTheOthersUpForLong) {
  start();
  std::vector<UniqueFd> silent;
  for (unsigned at = 0; at < options_.threads; ++at) {
    silent.push_back(connect_to(server_->endpoint()));
  }
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(get("/healthz"), EndsWith("ok\n"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
}

TEST_F(ServerTest, RequestsThatTakeLongLeaveThreadsForTheOwnRoutes) {
  std::promise<void> end;
  const std::shared_future<void> ended(end.get_future());
  std::atomic<int> inside{0};
  options_.threads = 3;
  options_.routes.push_back(
      {"GET", "/long", [&](const Request&) {
         ++inside;
         ended.wait();
         return Response{
             .status = 200, .content_type = "text/plain", .body = "over\n", .headers = {}};
       }});
  start();
  std::thread first([&] { EXPECT_THAT(get("/long"), EndsWith("over\n")); });
  while (inside == 0) {
    std::this_thread::yield();
  }
  EXPECT_THAT(get("/long"), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(get("/healthz"), EndsWith("ok\n"));
  EXPECT_THAT(get("/metrics"), StartsWith("HTTP/1.1 200 "));
  end.set_value();
  first.join();
  EXPECT_THAT(get("/long"), EndsWith("over\n"));
}

TEST_F(ServerTest, ManyMayAskAtOnce) {
  start();
  std::atomic<int> good{0};
  std::vector<std::thread> clients;
  for (int client = 0; client < 16; ++client) {
    clients.emplace_back([&] {
      for (int turn = 0; turn < 10; ++turn) {
        good += get("/metrics").starts_with("HTTP/1.1 200 ") ? 1 : 0;
      }
    });
  }
  for (std::thread& client : clients) {
    client.join();
  }
  EXPECT_EQ(good, 160);
}

TEST_F(ServerTest, AnAddressInUseIsAnErrorThatNamesIt) {
  start();
  EXPECT_NE(server_->endpoint().port, 0);
  options_.address = server_->endpoint();
  const auto second = Server::start(options_);
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error(), StartsWith("admin " + server_->endpoint().to_string() + ": "));
  EXPECT_THAT(second.error(), HasSubstr("Address already in use"));
}

TEST_F(ServerTest, AnIpv6AddressWorksOrIsRefusedWithTheReason) {
  options_.address = Endpoint::parse("[::1]:0").value();
  auto server = Server::start(options_);
  if (server) {
    server_ = *std::move(server);
    EXPECT_THAT(get("/healthz"), EndsWith("ok\n"));
  } else {
    EXPECT_THAT(server.error(), StartsWith("admin [::1]:0: expected an IPv4 address"));
  }
}

TEST_F(ServerTest, StoppingTakesNoTimeToSpeakOf) {
  EXPECT_THAT(get("/healthz"), EndsWith("ok\n"));
  const auto begin = std::chrono::steady_clock::now();
  server_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
}

TEST(JsonString, EscapesWhatJsonForbids) {
  EXPECT_EQ(json_string("a\"b\\c\n\x01"), "\"a\\\"b\\\\c\\u000a\\u0001\"");
  EXPECT_EQ(json_string("jürgen"), "\"jürgen\"");
  EXPECT_EQ(json_string("\xC3("), "\"\\ufffd(\"");
}

}  // namespace
}  // namespace headgate::admin
