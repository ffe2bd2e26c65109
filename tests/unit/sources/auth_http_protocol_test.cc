#include "sources/auth_http_protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::sources {
namespace {

using namespace std::chrono_literals;
using dialogue::LoginFailure;
using testing::HasSubstr;

std::vector<std::string> headers_of(const auth::LoginRequest& request,
                                    const CramProof* proof = nullptr,
                                    bool whole_certificate = false) {
  std::vector<std::string> lines;
  for (const Secret& line : auth_http_headers(request, proof, whole_certificate)) {
    lines.emplace_back(line.view());
  }
  return lines;
}

TEST(AuthHttpHeaders, ComeInTheOrderAndWithTheEscapesOfNginx) {
  const dialogue::Credentials credentials{"LOGIN", "al ice\xff", Secret("p%\t\x7f!")};
  const auth::LoginRequest request{.credentials = credentials,
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

TEST(AuthHttpHeaders, TellTokensChallengesAndCertificates) {
  const auto certificate = std::make_shared<net::CertificateNames>();
  certificate->text = {.subject = "CN=Alice,O=A B",
                       .issuer = "CN=People",
                       .serial = "0A1B",
                       .fingerprint = "00ff",
                       .pem = "--B E--\n%\n"};
  const dialogue::Credentials token{"OAUTHBEARER", "", Secret("t0ken")};
  auth::LoginRequest request{.credentials = token,
                             .client = *Endpoint::parse("10.0.0.1:4000"),
                             .connected = *Endpoint::parse("10.0.0.2:993"),
                             .listener = "imaps",
                             .session_id = "1",
                             .tls = true,
                             .certificate_asked = true};
  EXPECT_THAT(headers_of(request),
              testing::IsSupersetOf({"Auth-Method: oauthbearer", "Auth-User: ", "Auth-Pass: t0ken",
                                     "Auth-SSL-Verify: NONE"}));
  request.certificate = certificate;
  const CramProof proof{"<1.2@h>", Secret(std::string(32, 'f'))};
  const dialogue::Credentials digest{"CRAM-MD5", "alice", Secret()};
  const auth::LoginRequest cram{.credentials = digest,
                                .client = request.client,
                                .connected = request.connected,
                                .listener = "imaps",
                                .session_id = "1",
                                .tls = true,
                                .certificate = certificate,
                                .certificate_asked = true};
  EXPECT_THAT(
      headers_of(cram, &proof, true),
      testing::ElementsAre(
          "Auth-Method: cram-md5", "Auth-User: alice",
          "Auth-Pass: ffffffffffffffffffffffffffffffff", "Auth-Salt: <1.2@h>",
          "Auth-Protocol: imap", "Auth-Login-Attempt: 1", "Client-IP: 10.0.0.1", "Auth-SSL: on",
          "Auth-SSL-Protocol: ", "Auth-SSL-Cipher: ", "Auth-SSL-Verify: SUCCESS",
          "Auth-SSL-Subject: CN=Alice,O=A B", "Auth-SSL-Issuer: CN=People", "Auth-SSL-Serial: 0A1B",
          "Auth-SSL-Fingerprint: 00ff", "Auth-SSL-Cert: --B%20E--%0A%25%0A"));
  EXPECT_THAT(headers_of(cram, &proof), testing::Not(testing::Contains(HasSubstr("-Cert"))));
  request.certificate = nullptr;
  const auto unverified = std::make_shared<net::UnverifiedCertificate>();
  *unverified = {.text = certificate->text, .why = "self-signed certificate"};
  request.unverified_certificate = unverified;
  EXPECT_THAT(
      headers_of(request),
      testing::IsSupersetOf({"Auth-SSL-Verify: FAILED:self-signed certificate",
                             "Auth-SSL-Subject: CN=Alice,O=A B", "Auth-SSL-Fingerprint: 00ff"}));
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
  const auth::Route& route = std::get<auth::Accepted>(result).route;
  EXPECT_EQ(route.user, "alice");
  EXPECT_TRUE(route.use_master);
  EXPECT_EQ(route.password, nullptr);
  result = auth_http_result(
      *parse_auth_http_reply("Auth-Server: a\r\nAuth-Port: 1\r\nAuth-Pass:\r\n"), "alice");
  EXPECT_FALSE(std::get<auth::Accepted>(result).route.use_master);
  EXPECT_TRUE(std::get<auth::Accepted>(result).route.password->empty());
}

TEST(AuthHttpResult, ARefusalEndsTheConnectionUnlessItHasAWait) {
  const auto rejected = [](std::string_view head) {
    return std::get<auth::Rejected>(auth_http_result(*parse_auth_http_reply(head), "alice"));
  };
  EXPECT_TRUE(rejected("Auth-Status: no\r\n").last);
  EXPECT_FALSE(rejected("Auth-Status: no\r\n").delay);
  EXPECT_FALSE(rejected("Auth-Status: no\r\nAuth-Wait: 2\r\n").last);
  EXPECT_EQ(rejected("Auth-Status: no\r\nAuth-Wait: 2\r\n").delay, 2s);
  EXPECT_EQ(rejected("Auth-Status: no\r\n").failure, LoginFailure::kWrongCredentials);
  EXPECT_EQ(rejected("Auth-Status: [limit] x\r\n").failure, LoginFailure::kUserLimit);
  EXPECT_EQ(rejected("Auth-Status: [\r\n").failure, LoginFailure::kWrongCredentials);
}

TEST(AuthHttpResult, ARefusalMayBringTheChallengeThatComesBeforeIt) {
  const auto rejected = [](const std::string& challenge) {
    return std::get<auth::Rejected>(auth_http_result(
        *parse_auth_http_reply("Auth-Status: no\r\nAuth-Error-SASL: " + challenge + "\r\n"),
        "alice"));
  };
  EXPECT_EQ(rejected("eyJzdGF0dXMiOiI0MDAifQ==").challenge, R"({"status":"400"})");
  EXPECT_EQ(rejected("").challenge, "");
  EXPECT_EQ(rejected("").detail, "");
  EXPECT_EQ(rejected("{}").challenge, "");
  EXPECT_EQ(rejected("{}").detail, "no (Auth-Error-SASL is no base64)");
  EXPECT_EQ(rejected("{}").text, "no");
  EXPECT_EQ(rejected(std::string(4100, 'A')).detail, "no (Auth-Error-SASL is too long)");
}

TEST(AuthHttpResult, WhoGaveNoNameNeedsOneInTheAnswer) {
  constexpr std::string_view kBackend = "Auth-Server: 10.0.0.1\r\nAuth-Port: 143\r\n";
  const auto without = auth_http_result(*parse_auth_http_reply(kBackend), "");
  EXPECT_EQ(std::get<auth::Rejected>(without).failure, LoginFailure::kLookupUnavailable);
  EXPECT_THAT(std::get<auth::Rejected>(without).detail, HasSubstr("expected Auth-User"));
  const auto with =
      auth_http_result(*parse_auth_http_reply(std::string(kBackend) + "Auth-User: alice\r\n"), "");
  EXPECT_EQ(std::get<auth::Accepted>(with).route.user, "alice");
}

TEST(AuthHttpResult, HeadersOfHeadgatesOwnAreLimitsAndWhatIsForwarded) {
  const auto result = auth_http_result(
      *parse_auth_http_reply("Auth-Server: 192.0.2.1\r\nAuth-Port: 143\r\n"
                             "headgate-max-sessions: 3\r\nHEADGATE-FORWARD-TIER: gold\r\n"
                             "Headgate-Forward-Cell:  b 2 \r\nHeadgate-Forward-tier: silver\r\n"
                             "Headgate-Forward-None:\r\n"),
      "alice");
  const auto* accepted = std::get_if<auth::Accepted>(&result);
  ASSERT_NE(accepted, nullptr);
  EXPECT_EQ(accepted->route.max_sessions, 3U);
  ASSERT_EQ(accepted->route.forward.size(), 2U);
  EXPECT_EQ(accepted->route.forward[0].key, "tier");
  EXPECT_EQ(accepted->route.forward[0].value, "silver") << "the last of each name";
  EXPECT_EQ(accepted->route.forward[1].key, "cell");
  EXPECT_EQ(accepted->route.forward[1].value, "b 2");
}

TEST(AuthHttpResult, OneUsersBadHeadersRefuseThisUserAlone) {
  for (const auto& [header, expected] :
       {std::pair("Headgate-Max-Sessions: -1", "expected a whole number from 0 to 10000000"),
        std::pair("Headgate-Forward-: x", "letters, digits"),
        std::pair("Headgate-Forward-a.b: x", "letters, digits")}) {
    const auto result =
        auth_http_result(*parse_auth_http_reply("Auth-Server: 192.0.2.1\r\nAuth-Port: 143\r\n" +
                                                std::string(header) + "\r\n"),
                         "alice");
    const auto* rejected = std::get_if<auth::Rejected>(&result);
    ASSERT_NE(rejected, nullptr) << header;
    EXPECT_EQ(rejected->failure, LoginFailure::kLookupUnavailable) << header;
    EXPECT_THAT(rejected->detail, testing::HasSubstr(expected)) << header;
  }
}

TEST(AuthHttpResult, TextForAClientIsBoundedAndHasNoControlBytes) {
  const auto reply =
      parse_auth_http_reply("Auth-Status: a\tb\x1b" + std::string(2000, 'x') + "\r\n");
  EXPECT_TRUE(reply->text.starts_with("a?b?x"));
  EXPECT_EQ(reply->text.size(), 512U);
}

}  // namespace
}  // namespace headgate::sources
