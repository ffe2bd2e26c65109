#include "admin/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include "admin/json.h"
#include "local_server.h"

namespace headgate::admin {
namespace {

using testing::AnyOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

TEST_P(ServerTest, HandlersGiveWayToTheWorkers) {
  options_.routes.push_back({"GET", "/policy", [](const Request&) {
                               return Response{.status = 200,
                                               .content_type = "text/plain",
                                               .body = std::to_string(::sched_getscheduler(0)),
                                               .headers = {}};
                             }});
  start();
  EXPECT_THAT(get("/policy"), EndsWith("\r\n" + std::to_string(SCHED_BATCH)));
}

TEST_P(ServerTest, MetricsAreServedInThePrometheusTextFormat) {
  const std::string answer = get("/metrics");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  EXPECT_THAT(answer, HasSubstr("\nheadgate_connections_total{listener=\"imaps\"} 0\n"));
}

TEST_P(ServerTest, WhatItAnswersAndWhomItServesIsCounted) {
  get("/healthz");
  get("/nowhere");
  ready_ = false;
  get("/readyz");
  const std::string page = get("/metrics");
  EXPECT_THAT(page, HasSubstr("\nheadgate_admin_requests_total{code=\"200\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("\nheadgate_admin_requests_total{code=\"404\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("\nheadgate_admin_requests_total{code=\"503\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("\nheadgate_admin_connections 1\n"));
  EXPECT_THAT(page, HasSubstr("\nheadgate_admin_connections_cut_total{cut=\"too_slow\"} 0\n"));
}

TEST_P(ServerTest, HealthIsOkWhileTheProcessServes) {
  EXPECT_THAT(get("/healthz"), EndsWith("\r\n\r\nok\n"));
}

TEST_P(ServerTest, ReadinessFollowsItsCallback) {
  EXPECT_THAT(get("/readyz"), StartsWith("HTTP/1.1 200 OK\r\n"));
  ready_ = false;
  const std::string answer = get("/readyz");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n{\"error\":\"pool \\\"main\\\"\"}\n"));
  ready_ = true;
  EXPECT_THAT(get("/readyz"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_P(ServerTest, HeadIsGetWithoutTheBody) {
  const std::string answer = ask("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 3\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_P(ServerTest, WhatIsNotThereIs404AndTheWrongMethod405) {
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

TEST_P(ServerTest, ARouteOfTheTableGetsQueryAndBody) {
  EXPECT_THAT(ask("POST /echo?user=a%20b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"),
              EndsWith("\r\n\r\nuser=a%20b|hello"));
}

TEST_P(ServerTest, ABodyHasALimitHoweverItComes) {
  const std::string body(101, 'x');
  const std::string announced =
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n" + body;
  EXPECT_THAT(ask(announced), StartsWith("HTTP/1.1 413 "));
  const std::string chunked =
      "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" + body +
      "\r\n0\r\n\r\n";
  EXPECT_THAT(ask(chunked), StartsWith("HTTP/1.1 413 "));
}

TEST_P(ServerTest, BrokenRequestsGetAClearAnswer) {
  // Of what is no HTTP at all libmicrohttpd 1.0 says nothing.
  EXPECT_THAT(ask("\x16\x03\x01 nonsense\r\n\r\n"),
              AnyOf(StartsWith("HTTP/1.1 400 Bad Request\r\n"), IsEmpty()));
  EXPECT_THAT(ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: five\r\n\r\nhello"),
              StartsWith("HTTP/1.1 400 Bad Request\r\n"));
  const std::string huge = "GET /healthz HTTP/1.1\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n";
  const std::string answer = ask(huge);
  EXPECT_THAT(answer, Not(HasSubstr(" 200 ")));
  EXPECT_THAT(get("/healthz"), EndsWith("ok\n"));
}

TEST_P(ServerTest, AnAddressInUseIsAnErrorThatNamesIt) {
  start();
  options_.addresses = server_->addresses();
  const auto second = Server::start(options_);
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error(),
              StartsWith("admin " + server_->addresses().front().to_string() + ": "));
  EXPECT_THAT(second.error(), HasSubstr("Address already in use"));
}

TEST_P(ServerTest, ALargeHeadIsRefusedInJsonAndOneThatIsLargerStillAtLeastRefused) {
  const auto with = [&](std::size_t size) {
    return ask("GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + std::string(size, 'x') + "\r\n\r\n");
  };
  EXPECT_THAT(with(16'000), EndsWith("ok\n"));
  const std::string refused = with(20'000);
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(refused, EndsWith("\r\n\r\n{\"error\":\"at most 16384 bytes of headers\"}\n"));
  EXPECT_THAT(with(60'000), Not(HasSubstr(" 200 ")));
  EXPECT_THAT(get("/healthz"), EndsWith("ok\n"));
}

TEST_P(ServerTest, ABodyThatIsTooLongIsReadAWhileSoThatTheAnswerArrives) {
  const std::string body(1024UL * 1024, 'x');
  const std::string answer =
      ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) +
          "\r\n\r\n" + body);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(answer, EndsWith("{\"error\":\"at most 100 bytes are taken\"}\n"));
}

TEST_P(ServerTest, AClientThatAsksBeforeItSendsABodyIsTold) {
  const std::string expect = " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: ";
  EXPECT_THAT(ask("POST /echo" + expect + "101\r\n\r\n"), StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(ask("POST /nowhere" + expect + "5\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(ask("POST /echo" + expect + "5\r\n\r\nhello"), EndsWith("|hello"));
}

TEST_P(ServerTest, AHiddenEndOfThePathIsNoOtherPath) {
  for (const char* path : {"/healthz%00", "/healthz%00/x", "/%"}) {
    EXPECT_THAT(get(path), StartsWith("HTTP/1.1 400 ")) << path;
  }
  EXPECT_THAT(get("/health%7a"), EndsWith("ok\n"));
  EXPECT_THAT(get("http://x/healthz"), EndsWith("ok\n"));
}

TEST_P(ServerTest, TheHandlerKnowsWhoAsksAndByWhatKindOfAddress) {
  options_.routes.push_back({"GET", "/me", [](const Request& request) {
                               return Response{.status = 200,
                                               .content_type = "text/plain",
                                               .body = std::string(request.peer) +
                                                       (request.via == Via::kUnixSocket ? " unix"
                                                        : request.via == Via::kLoopback ? " loop"
                                                                                        : " net"),
                                               .headers = {}};
                             }});
  const std::string wanted = GetParam();
  EXPECT_THAT(get("/me"), EndsWith(wanted.empty() ? "uid=" + std::to_string(::geteuid()) + ",pid=" +
                                                        std::to_string(::getpid()) + " unix"
                                   : wanted.starts_with('[') ? "\r\n::1 loop"
                                                             : "\r\n127.0.0.1 loop"));
}

INSTANTIATE_TEST_SUITE_P(Addresses, ServerTest, testing::Values("127.0.0.1:0", "[::1]:0", ""),
                         kind);

class SeveralAddresses : public ServerTest {};

TEST_P(SeveralAddresses, AreServedByOneServer) {
  options_.addresses.push_back(LocalAddress::parse(folder_ + "/admin.sock").value());
  start();
  ASSERT_EQ(server_->addresses().size(), 2U);
  for (const LocalAddress& address : server_->addresses()) {
    const UniqueFd fd = connect_to(address);
    const std::string_view request = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    ::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
    EXPECT_THAT(read_all(fd.get()), EndsWith("ok\n"));
  }
  server_.reset();
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/admin.sock"));
}

TEST_P(SeveralAddresses, AreOpenedAllOrNone) {
  start();
  const LocalAddress taken = server_->addresses().front();
  options_.addresses = {LocalAddress::parse(folder_ + "/admin.sock").value(), taken};
  const auto second = Server::start(options_);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error(), HasSubstr(taken.to_string() + ": bind: Address already in use"));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/admin.sock"));
}

INSTANTIATE_TEST_SUITE_P(Addresses, SeveralAddresses, testing::Values("127.0.0.1:0"));

TEST(JsonString, EscapesWhatJsonForbids) {
  EXPECT_EQ(json_string("a\"b\\c\n\x01"), "\"a\\\"b\\\\c\\u000a\\u0001\"");
  EXPECT_EQ(json_string("jürgen"), "\"jürgen\"");
  EXPECT_EQ(json_string("\xC3("), "\"\\ufffd(\"");
}

}  // namespace
}  // namespace headgate::admin
