#include "net/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "local_http_server.h"
#include "net/socket.h"

namespace headgate::net {
namespace {

using namespace std::chrono_literals;
using test::http_ok;
using test::LocalHttpServer;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;
using Answer = std::expected<HttpReply, HttpFailure>;

class HttpClientTest : public testing::Test {
 protected:
  HttpClientTest() { make(); }
  ~HttpClientTest() override {
    client_.reset();
    timers_.reset();
    loop_.drain();
  }

  void make(HttpClient::Options options = {}) {
    client_ = std::make_unique<HttpClient>(loop_, *timers_, std::move(options));
  }
  static HttpRequest request_to(const LocalHttpServer& server) {
    HttpRequest request;
    request.url = server.url();
    request.endpoints = {server.endpoint()};
    return request;
  }
  HttpClient::Id send(HttpRequest request) {
    return client_->send(std::move(request), [this](Answer answer) {
      answers_.push_back(std::move(answer));
      loop_.stop();
    });
  }
  void run_until(std::size_t count) {
    while (answers_.size() < count) {
      loop_.run();
    }
  }
  Answer ask(HttpRequest request) {
    answers_.clear();
    send(std::move(request));
    EXPECT_THAT(answers_, IsEmpty()) << "answered before send() returned";
    run_until(1);
    return std::move(answers_.front());
  }

  Loop loop_;
  std::unique_ptr<TimerWheel> timers_ = std::make_unique<TimerWheel>(loop_);
  std::unique_ptr<HttpClient> client_;
  std::vector<Answer> answers_;
};

TEST_F(HttpClientTest, AnAnswerComesWithStatusHeaderAndBody) {
  const LocalHttpServer server([](const std::string&) { return http_ok("hello", "X-One: 1\r\n"); });
  const Answer answer = ask(request_to(server));
  ASSERT_TRUE(answer.has_value()) << answer.error().why;
  EXPECT_EQ(answer->status, 200U);
  EXPECT_EQ(answer->head.view(), "Content-Length: 5\r\nX-One: 1\r\n");
  EXPECT_EQ(answer->body.view(), "hello");
}

TEST_F(HttpClientTest, ARequestHasTheHeadersItWasGivenInTheirOrderAndNoOthers) {
  const LocalHttpServer server([](const std::string&) { return http_ok(""); });
  HttpRequest request = request_to(server);
  request.headers.emplace_back("Host: other.example");
  request.headers.emplace_back("X-B: 2");
  request.headers.emplace_back("X-Empty: ");
  request.headers.emplace_back("X-A: 1");
  EXPECT_TRUE(ask(std::move(request)).has_value());
  EXPECT_THAT(server.requests(), ElementsAre("GET /x HTTP/1.1\r\nHost: other.example\r\nX-B: 2\r\n"
                                             "X-Empty:\r\nX-A: 1\r\n\r\n"));
}

TEST_F(HttpClientTest, ABodyIsPosted) {
  const LocalHttpServer server([](const std::string&) { return http_ok("done"); });
  HttpRequest request = request_to(server);
  request.headers.emplace_back("Content-Type: application/json");
  request.body = Secret("{\"a\": 1}");
  EXPECT_EQ(ask(std::move(request))->body.view(), "done");
  EXPECT_THAT(server.requests().front(),
              AllOf(StartsWith("POST /x HTTP/1.1\r\n"), HasSubstr("Content-Length: 8\r\n"),
                    HasSubstr("Content-Type: application/json\r\n"),
                    HasSubstr("\r\n\r\n{\"a\": 1}"), Not(HasSubstr("Expect"))));
}

TEST_F(HttpClientTest, RequestsShareAConnectionUnlessTheyAreToldNotTo) {
  const LocalHttpServer server([](const std::string&) { return http_ok("hello"); });
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(ask(request_to(server)).has_value());
  }
  EXPECT_EQ(server.connections(), 1U);
  HttpRequest alone = request_to(server);
  alone.keep_alive = false;
  EXPECT_TRUE(ask(std::move(alone)).has_value());
  EXPECT_EQ(server.connections(), 2U);
  EXPECT_THAT(server.requests().back(), StartsWith("GET /x HTTP/1.0\r\n"));
}

TEST_F(HttpClientTest, AConnectionThatTheServerHasEndedMeanwhileIsNoFailure) {
  const LocalHttpServer server(
      [](const std::string&) { return http_ok("hello") + LocalHttpServer::kClose; });
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(ask(request_to(server)).has_value());
  }
  EXPECT_EQ(server.connections(), 3U);
}

TEST_F(HttpClientTest, ManyRequestsAtATimeAllHaveTheirAnswer) {
  const LocalHttpServer server([](const std::string& request) {
    return http_ok(request.substr(request.find("X-Number: ") + 10, 2));
  });
  std::vector<std::string> got(40);
  std::size_t count = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    HttpRequest request = request_to(server);
    request.headers.emplace_back("X-Number: " + std::to_string(10 + i));
    client_->send(std::move(request), [&, i](Answer answer) {
      got[i] = answer ? answer->body.view() : answer.error().why;
      ++count;
      loop_.stop();
    });
  }
  while (count < got.size()) {
    loop_.run();
  }
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i], std::to_string(10 + i));
  }
}

TEST_F(HttpClientTest, WithTheHeadAloneNobodyWaitsForTheBody) {
  const LocalHttpServer server([](const std::string&) {
    return std::string("HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 1000\r\n\r\nhalf of i");
  });
  HttpRequest request = request_to(server);
  request.head_only = true;
  request.timeout = 30s;
  const Answer answer = ask(std::move(request));
  ASSERT_TRUE(answer.has_value()) << answer.error().why;
  EXPECT_THAT(answer->head.view(), HasSubstr("X-A: 1\r\n"));
  EXPECT_TRUE(answer->body.empty());
}

TEST_F(HttpClientTest, AServerThatHangsTimesOut) {
  const LocalHttpServer server([](const std::string&) { return LocalHttpServer::kHang; });
  HttpRequest request = request_to(server);
  request.timeout = 100ms;
  const Answer answer = ask(std::move(request));
  ASSERT_FALSE(answer.has_value());
  EXPECT_TRUE(answer.error().timed_out);
}

TEST_F(HttpClientTest, ANewRequestDoesNotKeepAnotherFromItsTimeout) {
  const LocalHttpServer server([](const std::string&) { return LocalHttpServer::kHang; });
  HttpRequest request = request_to(server);
  request.timeout = 100ms;
  send(std::move(request));
  // Cancelled one by one around the time when the first one is due.
  for (int i = 0; i < 20 && answers_.empty(); ++i) {
    const HttpClient::Id other = client_->send(request_to(server), [](Answer) { FAIL(); });
    Timer pause(&loop_, [](void* loop) noexcept { static_cast<Loop*>(loop)->stop(); });
    timers_->arm(pause, 10);
    loop_.run();
    client_->cancel(other);
  }
  run_until(1);
  EXPECT_TRUE(answers_.front().error().timed_out);
}

TEST_F(HttpClientTest, AConnectionThatIsRefusedIsAFailureWithAReason) {
  Endpoint nobody;
  {
    const auto listener = listen_tcp(*Endpoint::parse("127.0.0.1:0"), 1);
    nobody = local_endpoint(listener->get());
  }
  HttpRequest request;
  request.url = *Url::parse("http://" + nobody.to_string() + "/");
  request.endpoints = {nobody};
  const Answer answer = ask(std::move(request));
  ASSERT_FALSE(answer.has_value());
  EXPECT_FALSE(answer.error().timed_out);
  EXPECT_THAT(answer.error().why, HasSubstr("connect"));
}

TEST_F(HttpClientTest, OfSeveralAddressesOneThatTakesTheConnectionGetsTheRequest) {
  for (const char* nobody : {"::1", "127.0.0.2"}) {
    const LocalHttpServer server([](const std::string&) { return http_ok("hi"); });
    HttpRequest request = request_to(server);
    request.url.address.host = "several.example";
    request.endpoints.insert(request.endpoints.begin(),
                             Endpoint{*IpAddress::parse(nobody), server.endpoint().port});
    const Answer answer = ask(std::move(request));
    ASSERT_TRUE(answer.has_value()) << nobody << ": " << answer.error().why;
    EXPECT_EQ(answer->body.view(), "hi");
  }
}

TEST_F(HttpClientTest, AnAnswerThatIsTooLongIsAFailure) {
  make({.largest_reply = 1000});
  const LocalHttpServer server([](const std::string& request) {
    return request.starts_with("GET /body") ? http_ok(std::string(2000, 'x'))
                                            : http_ok("", "X: " + std::string(2000, 'x') + "\r\n");
  });
  for (const char* target : {"/body", "/head"}) {
    HttpRequest request = request_to(server);
    request.url.target = target;
    const Answer answer = ask(std::move(request));
    ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error().why, "the answer is longer than 1000 bytes");
  }
}

TEST_F(HttpClientTest, WhatIsNoHttpIsAFailure) {
  for (const std::string& nonsense :
       {std::string("* OK IMAP4rev1 ready\r\n\r\n"), std::string("HTTP/1.1 200 OK\r\nA: 1\r\n")}) {
    const LocalHttpServer server(
        [&](const std::string&) { return nonsense + LocalHttpServer::kClose; });
    const Answer answer = ask(request_to(server));
    ASSERT_FALSE(answer.has_value()) << nonsense;
    EXPECT_FALSE(answer.error().why.empty());
  }
}

TEST_F(HttpClientTest, InterimAnswersAreNotTheAnswerAndRedirectsAreNotFollowed) {
  const LocalHttpServer server([](const std::string&) {
    return "HTTP/1.1 100 Continue\r\nX-Old: 1\r\n\r\n"
           "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
  });
  const Answer answer = ask(request_to(server));
  ASSERT_TRUE(answer.has_value()) << answer.error().why;
  EXPECT_EQ(answer->status, 302U);
  EXPECT_EQ(answer->head.view(), "Location: /elsewhere\r\nContent-Length: 0\r\n");
  EXPECT_THAT(server.requests(), SizeIs(1));
}

TEST_F(HttpClientTest, TheCertificateOfATlsServerMustBeGoodForTheHost) {
  const LocalHttpServer server([](const std::string&) { return http_ok("hello"); },
                               LocalHttpServer::Tls::kYes);
  HttpRequest stranger = request_to(server);
  EXPECT_FALSE(ask(std::move(stranger)).has_value()) << "not of the system's authorities";
  make({.ca_file = test::Certificates::get().ecdsa.certificate});
  for (int i = 0; i < 2; ++i) {
    HttpRequest good = request_to(server);
    good.url = server.url("mail.example.org");
    const Answer answer = ask(std::move(good));
    ASSERT_TRUE(answer.has_value()) << answer.error().why;
    EXPECT_EQ(answer->body.view(), "hello");
  }
  HttpRequest wrong = request_to(server);
  wrong.url = server.url("other.example.org");
  EXPECT_FALSE(ask(std::move(wrong)).has_value());
  EXPECT_THAT(server.requests(), SizeIs(2)) << "a request went to a server that was not verified";
}

TEST_F(HttpClientTest, WhatIsCancelledNeverComes) {
  LocalHttpServer server([](const std::string& request) {
    return request.starts_with("GET /hang") ? LocalHttpServer::kHang : http_ok("hello");
  });
  HttpRequest hanging = request_to(server);
  hanging.url.target = "/hang";
  const HttpClient::Id first =
      client_->send(std::move(hanging), [](Answer) { FAIL() << "it was cancelled"; });
  const HttpClient::Id second =
      client_->send(request_to(server), [](Answer) { FAIL() << "it was cancelled"; });
  client_->cancel(second);
  EXPECT_TRUE(ask(request_to(server)).has_value());
  client_->cancel(first);
  client_->cancel(first);
  EXPECT_TRUE(ask(request_to(server)).has_value());
}

TEST_F(HttpClientTest, ACallbackMayCancelOthersAndSendMore) {
  LocalHttpServer server([](const std::string& request) {
    return request.starts_with("GET /hang") ? LocalHttpServer::kHang : http_ok("hello");
  });
  HttpRequest hanging = request_to(server);
  hanging.url.target = "/hang";
  const HttpClient::Id other =
      client_->send(std::move(hanging), [](Answer) { FAIL() << "it was cancelled"; });
  std::optional<Answer> last;
  HttpRequest first = request_to(server);
  first.head_only = true;
  client_->send(std::move(first), [&](Answer) {
    client_->cancel(other);
    client_->send(request_to(server), [&](Answer answer) {
      last = std::move(answer);
      loop_.stop();
    });
  });
  while (!last) {
    loop_.run();
  }
  EXPECT_TRUE(last->has_value());
}

TEST_F(HttpClientTest, AClientThatGoesGivesUpWhatIsUnderWay) {
  LocalHttpServer server([](const std::string&) { return LocalHttpServer::kHang; });
  for (int i = 0; i < 3; ++i) {
    client_->send(request_to(server), [](Answer) { FAIL() << "the client is gone"; });
  }
  Timer stop(&loop_, [](void* loop) noexcept { static_cast<Loop*>(loop)->stop(); });
  timers_->arm(stop, 50);
  loop_.run();
  client_.reset();
  timers_->let_loop_end();
  stop.cancel();
  loop_.drain();  // ends, and so nothing is watched any more
}

TEST_F(HttpClientTest, TwoClientsOnALoopDoNotKnowOfEachOther) {
  const LocalHttpServer server([](const std::string&) { return http_ok("hello"); });
  for (const bool older_first : {true, false}) {
    make();
    auto other = std::make_unique<HttpClient>(loop_, *timers_, HttpClient::Options{});
    int count = 0;
    for (HttpClient* client : {client_.get(), other.get()}) {
      client->send(request_to(server), [&](Answer answer) {
        EXPECT_TRUE(answer.has_value());
        ++count;
        loop_.stop();
      });
    }
    while (count < 2) {
      loop_.run();
    }
    std::unique_ptr<HttpClient>& first = older_first ? client_ : other;
    std::unique_ptr<HttpClient>& second = older_first ? other : client_;
    first.reset();
    second->send(request_to(server), [&](Answer answer) {
      EXPECT_TRUE(answer.has_value());
      ++count;
      loop_.stop();
    });
    while (count < 3) {
      loop_.run();
    }
    second.reset();
  }
}

}  // namespace
}  // namespace headgate::net
