#include "auth/auth_http_protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::auth {
namespace {

using namespace std::chrono_literals;
using dialogue::LoginFailure;
using testing::HasSubstr;

std::vector<std::string> headers_of(const LoginRequest& request) {
  std::vector<std::string> lines;
  for (const Secret& line : auth_http_headers(request)) {
    lines.emplace_back(line.view());
  }
  return lines;
}

TEST(AuthHttpHeaders, ComeInTheOrderAndWithTheEscapesOfNginx) {
  const dialogue::Credentials credentials{"LOGIN", "al ice\xff", Secret("p%\t\x7f!")};
  const LoginRequest request{.credentials = credentials,
                             .client = *Endpoint::parse("[2001:db8::1]:4000"),
                             .connected = *Endpoint::parse("[2001:db8::2]:993"),
                             .listener = "imaps",
                             .session_id = "1",
                             .tls = true,
                             .tls_version = "TLSv1.3",
                             .tls_cipher = "TLS_AES_128_GCM_SHA256",
                             .proxied = true,
                             .attempt = 2};
  EXPECT_THAT(
      headers_of(request),
      testing::ElementsAre(
          "Auth-Method: plain", "Auth-User: al%20ice\xff", "Auth-Pass: p%25%09\x7f!",
          "Auth-Protocol: imap", "Auth-Login-Attempt: 2", "Client-IP: 2001:db8::1",
          "Proxy-Protocol-Addr: 2001:db8::1", "Proxy-Protocol-Port: 4000",
          "Proxy-Protocol-Server-Addr: 2001:db8::2", "Proxy-Protocol-Server-Port: 993",
          "Auth-SSL: on", "Auth-SSL-Protocol: TLSv1.3", "Auth-SSL-Cipher: TLS_AES_128_GCM_SHA256"));
}

TEST(AuthHttpReply, NamesTheBackendAndMayReplaceNameAndPassword) {
  const auto reply = parse_auth_http_reply(
      "Auth-Status: OK\r\nAUTH-SERVER:  10.0.0.1 \r\nauth-port: 143\r\nAuth-User: a b\r\n"
      "Auth-Pass: %41\r\n");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, AuthHttpReply::Status::kOk);
  EXPECT_EQ(reply->backend->to_string(), "10.0.0.1:143");
  EXPECT_EQ(reply->user, "a b");
  EXPECT_EQ(reply->password->view(), "%41");
}

TEST(AuthHttpReply, WithABackendNeedsNoStatus) {
  const auto reply = parse_auth_http_reply("Auth-Server: ::1\nAuth-Port: 143\n");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->backend->to_string(), "[::1]:143");
}

TEST(AuthHttpReply, OkIsExactlyOk) {
  for (const char* status : {"ok", "OK.", "Ok", "wait", ""}) {
    const auto reply = parse_auth_http_reply("Auth-Status: " + std::string(status) +
                                             "\r\nAuth-Server: 10.0.0.1\r\nAuth-Port: 1\r\n");
    ASSERT_TRUE(reply) << status;
    EXPECT_EQ(reply->status, AuthHttpReply::Status::kRefused) << status;
    EXPECT_EQ(reply->text, status);
  }
}

TEST(AuthHttpReply, ARefusalStandsBeforeWaitAndThatBeforeOk) {
  const auto status = [](std::string_view head) { return parse_auth_http_reply(head)->status; };
  EXPECT_EQ(status("Auth-Status: no\r\nAuth-Status: OK\r\n"), AuthHttpReply::Status::kRefused);
  EXPECT_EQ(status("Auth-Status: WAIT\r\nAuth-Status: OK\r\n"), AuthHttpReply::Status::kWait);
  EXPECT_EQ(parse_auth_http_reply("Auth-Status: one\nAuth-Status: two\n")->text, "two");
}

TEST(AuthHttpReply, WaitIsAWholeNumberOfSecondsOrNothing) {
  const auto wait = [](std::string text) {
    return parse_auth_http_reply("Auth-Status: WAIT\r\nAuth-Wait: " + text + "\r\n")->wait;
  };
  EXPECT_EQ(wait("7"), 7s);
  for (const char* text : {"", "-1", "1.5", "1s", "x"}) {
    EXPECT_EQ(wait(text), 0s) << text;
  }
  EXPECT_EQ(wait("99999999999999999999"), AuthHttpReply::kLongestWait);
}

TEST(AuthHttpReply, SaysWhatIsMissing) {
  EXPECT_THAT(parse_auth_http_reply("").error(), HasSubstr("found neither"));
  EXPECT_THAT(parse_auth_http_reply("Auth-Status: OK\r\nAuth-Port: 1\r\n").error(),
              HasSubstr("found no Auth-Server"));
  EXPECT_THAT(
      parse_auth_http_reply("Auth-Server: 10.0.0.1\r\nAuth-Port: 0\r\nAuth-Pass: hush\r\n").error(),
      testing::AllOf(HasSubstr("found '10.0.0.1' and '0'"), testing::Not(HasSubstr("hush"))));
  EXPECT_FALSE(parse_auth_http_reply("Auth-Server: h\r\nAuth-Port: 1\r\nAuth-User:\r\n"));
}

TEST(AuthHttpResult, WithoutAPasswordOfItsOwnLeavesRoomForAMasterUser) {
  auto result = auth_http_result(
      *parse_auth_http_reply("Auth-Server: 10.0.0.1\r\nAuth-Port: 143\r\n"), "alice");
  const Route& route = std::get<Accepted>(result).route;
  EXPECT_EQ(route.user, "alice");
  EXPECT_TRUE(route.use_master);
  EXPECT_EQ(route.password, nullptr);
  result = auth_http_result(
      *parse_auth_http_reply("Auth-Server: a\r\nAuth-Port: 1\r\nAuth-Pass:\r\n"), "alice");
  EXPECT_FALSE(std::get<Accepted>(result).route.use_master);
  EXPECT_TRUE(std::get<Accepted>(result).route.password->empty());
}

TEST(AuthHttpResult, ARefusalEndsTheConnectionUnlessItHasAWait) {
  const auto rejected = [](std::string_view head) {
    return std::get<Rejected>(auth_http_result(*parse_auth_http_reply(head), "alice"));
  };
  EXPECT_TRUE(rejected("Auth-Status: no\r\n").last);
  EXPECT_FALSE(rejected("Auth-Status: no\r\n").delay);
  EXPECT_FALSE(rejected("Auth-Status: no\r\nAuth-Wait: 2\r\n").last);
  EXPECT_EQ(rejected("Auth-Status: no\r\nAuth-Wait: 2\r\n").delay, 2s);
  EXPECT_EQ(rejected("Auth-Status: no\r\n").failure, LoginFailure::kWrongCredentials);
  EXPECT_EQ(rejected("Auth-Status: [limit] x\r\n").failure, LoginFailure::kUserLimit);
  EXPECT_EQ(rejected("Auth-Status: [\r\n").failure, LoginFailure::kWrongCredentials);
}

TEST(AuthHttpResult, TextForAClientIsBoundedAndHasNoControlBytes) {
  const auto reply =
      parse_auth_http_reply("Auth-Status: a\tb\x1b" + std::string(2000, 'x') + "\r\n");
  EXPECT_TRUE(reply->text.starts_with("a?b?x"));
  EXPECT_EQ(reply->text.size(), 512U);
}

}  // namespace
}  // namespace headgate::auth
