#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "admin/server.h"
#include "local_server.h"

// Callers that are slow, silent, many or gone, and handlers that take long.
namespace headgate::admin {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

// With a route /long, which answers when the test lets it go.
class SlowCallers : public ServerTest {
 protected:
  SlowCallers() {
    options_.routes.push_back(
        {"GET", "/long", [this](const Request&) {
           ++inside_;
           let_go_.wait();
           return Response{
               .status = 200, .content_type = "text/plain", .body = "over\n", .headers = {}};
         }});
  }
  ~SlowCallers() override {
    let_go();
    server_.reset();  // its handlers look at what is here
  }
  void wait_for_inside(int requests) const {
    while (inside_ < requests) {
      std::this_thread::yield();
    }
  }
  void let_go() {
    if (!std::exchange(gone_, true)) {
      gate_.set_value();
    }
  }

 private:
  std::promise<void> gate_;
  const std::shared_future<void> let_go_{gate_.get_future()};
  std::atomic<int> inside_{0};
  bool gone_ = false;
};

TEST_P(SlowCallers, AClientThatSendsNothingDoesNotHoldTheOthersUpForLong) {
  start();
  std::vector<UniqueFd> silent;
  for (unsigned at = 0; at < options_.threads; ++at) {
    silent.push_back(connect());
  }
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(get("/healthz"), EndsWith("ok\n"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
}

TEST_P(SlowCallers, RequestsThatTakeLongLeaveThreadsForTheOwnRoutes) {
  options_.threads = 3;
  start();
  std::thread first([&] { EXPECT_THAT(get("/long"), EndsWith("over\n")); });
  wait_for_inside(1);
  EXPECT_THAT(get("/long"), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(get("/healthz"), EndsWith("ok\n"));
  EXPECT_THAT(get("/metrics"), StartsWith("HTTP/1.1 200 "));
  let_go();
  first.join();
  EXPECT_THAT(get("/long"), EndsWith("over\n"));
}

TEST_P(SlowCallers, ManyMayAskAtOnce) {
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

TEST_P(SlowCallers, StoppingTakesNoTimeToSpeakOf) {
  EXPECT_THAT(get("/healthz"), EndsWith("ok\n"));
  const auto begin = std::chrono::steady_clock::now();
  server_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
}

TEST_P(SlowCallers, HalfARequestIsCutOffInTimeAndTold) {
  start();
  for (const char* half : {"", "G", "GET /healthz HTTP/1.1\r\nHost: x\r\n",
                           "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel"}) {
    const std::string answer = ask(half);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 408 Request Timeout\r\n")) << half;
    EXPECT_THAT(answer, EndsWith("{\"error\":\"the request took too long\"}\n"));
  }
  EXPECT_THAT(get("/healthz"), EndsWith("ok\n"));
}

TEST_P(SlowCallers, BytesThatTrickleInDoNotBuyTime) {
  start();
  const UniqueFd fd = connect();
  const std::string_view head = "GET /healthz HTTP/1.1\r\nX: ";
  ::send(fd.get(), head.data(), head.size(), MSG_NOSIGNAL);
  std::size_t sent = 0;
  // The server has closed when the socket takes no more; 16 KiB would be the end otherwise.
  while (sent < 15'000 && ::send(fd.get(), "x", 1, MSG_NOSIGNAL) == 1) {
    ++sent;
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_LT(sent, 15'000U);
}

TEST_P(SlowCallers, AClientThatTakesNoAnswerIsCutOff) {
  const std::string large(16UL * 1024 * 1024, 'x');
  options_.routes.push_back(
      {"GET", "/large", [&](const Request&) {
         return Response{.status = 200, .content_type = "text/plain", .body = large, .headers = {}};
       }});
  start();
  const UniqueFd fd = connect();
  const std::string_view request = "GET /large HTTP/1.1\r\nHost: x\r\n\r\n";
  ::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
  pollfd ended{.fd = fd.get(), .events = POLLRDHUP, .revents = 0};
  ASSERT_EQ(::poll(&ended, 1, 20'000), 1);
  EXPECT_LT(read_all(fd.get()).size(), large.size());
  EXPECT_GT(get("/large").size(), large.size());
}

TEST_P(SlowCallers, SilentConnectionsDoNotKeepOthersAway) {
  options_.request_timeout = 60s;
  start();
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 300; ++i) {
    silent.push_back(connect());
  }
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(get("/healthz"), EndsWith("ok\n"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 20s);
}

TEST_P(SlowCallers, EightSlowRequestsAndManySilentOnesLeaveTheMetricsAlone) {
  options_.request_timeout = 60s;
  start();
  std::vector<std::thread> slow;
  for (unsigned i = 0; i < options_.threads - options_.kept_free; ++i) {
    slow.emplace_back([&] { EXPECT_THAT(get("/long"), EndsWith("over\n")); });
  }
  wait_for_inside(8);
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 40; ++i) {
    silent.push_back(connect());
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(get("/metrics"), StartsWith("HTTP/1.1 200 "));
  }
  EXPECT_THAT(get("/long"),
              testing::AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("\r\nRetry-After: 1\r\n")));
  let_go();
  for (std::thread& one : slow) {
    one.join();
  }
}

TEST_P(SlowCallers, StoppingWaitsForRequestsUnderWayAndForNobodyElse) {
  options_.request_timeout = 60s;
  start();
  std::thread slow([&] { EXPECT_THAT(get("/long"), EndsWith("over\n")); });
  wait_for_inside(1);
  const UniqueFd silent = connect();
  std::thread stopper([&] { server_.reset(); });
  EXPECT_THAT(read_all(silent.get()), StartsWith("HTTP/1.1 408 "));
  let_go();
  slow.join();
  stopper.join();
}

TEST_P(SlowCallers, AClientThatGoesAwayWhileItsAnswerIsMadeHurtsNobody) {
  start();
  for (int i = 0; i < 4; ++i) {
    const UniqueFd fd = connect();
    const std::string_view request = "GET /long HTTP/1.1\r\nHost: x\r\n\r\n";
    ::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
    wait_for_inside(i + 1);
  }
  let_go();
  EXPECT_THAT(get("/long"), EndsWith("over\n"));
}

TEST_P(SlowCallers, AnAnswerThatNobodyTakesDoesNotHoldUpTheEnd) {
  options_.request_timeout = 600s;
  options_.routes.push_back({"GET", "/large", [](const Request&) {
                               return Response{.status = 200,
                                               .content_type = "text/plain",
                                               .body = std::string(16UL * 1024 * 1024, 'x'),
                                               .headers = {}};
                             }});
  start();
  const UniqueFd fd = connect();
  const std::string_view request = "GET /large HTTP/1.1\r\nHost: x\r\n\r\n";
  ::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
  pollfd begun{.fd = fd.get(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&begun, 1, 20'000), 1);
  const auto begin = std::chrono::steady_clock::now();
  server_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 60s);
}

TEST_P(SlowCallers, WaitUntilThereAreFileDescriptorsAgain) {
  start();
  const LocalAddress address = server_->addresses().front();
  std::vector<UniqueFd> others;  // poll() takes no more descriptors than the limit says
  do {
    others.emplace_back(::dup(0));
  } while (others.back().get() < 64);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const UniqueFd fd = new_socket(address);
  const rlimit none_left{.rlim_cur = static_cast<rlim_t>(fd.get()) + 1,
                         .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none_left), 0);
  connect_with(fd.get(), address);
  const std::string_view request = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
  ::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
  pollfd answered{.fd = fd.get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&answered, 1, 300), 0);  // it cannot be accepted
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_THAT(read_all(fd.get()), EndsWith("ok\n"));
}

INSTANTIATE_TEST_SUITE_P(Addresses, SlowCallers, testing::Values("127.0.0.1:0", "[::1]:0", ""),
                         kind);

}  // namespace
}  // namespace headgate::admin
