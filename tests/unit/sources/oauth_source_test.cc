#include "sources/oauth_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "../net/local_http_server.h"
#include "../proof/token_issuer.h"

namespace headgate::sources {
namespace {

using namespace std::chrono_literals;
using dialogue::LoginFailure;
using net::test::http_ok;
using net::test::LocalHttpServer;
using proof::test::ec_jwk;
using proof::test::ec_key;
using proof::test::ec_token;
using proof::test::good_payload;
using proof::test::key_set;
using proof::test::rsa_jwk;
using proof::test::rsa_key;
using proof::test::rsa_token;
using testing::HasSubstr;
using testing::SizeIs;

constexpr const char* kAlice = "alice@example.org";

class OauthSourceTest : public testing::Test {
 protected:
  ~OauthSourceTest() override {
    source_.reset();
    timers_.reset();
    loop_.drain();
  }

  static std::shared_ptr<OauthOptions> options() {
    auto made = std::make_shared<OauthOptions>();
    made->rules.issuers = {"https://issuer.example"};
    made->rules.audience = {"imap"};
    made->timeout = 5s;
    return made;
  }
  void make(std::shared_ptr<const OauthOptions> options) {
    source_ = std::make_unique<OauthSource>(
        loop_, *timers_, std::make_shared<OauthServers>("oauth", std::move(options)), true);
  }
  // A source with the keys of both kinds, from a server.
  void make_with_keys() {
    server_.emplace([](const std::string&) {
      return http_ok(key_set(rsa_jwk(rsa_key(), "rsa") + "," + ec_jwk(ec_key(), "ec")));
    });
    auto wanted = options();
    wanted->keys_url = server_->url();
    make(wanted);
  }
  // A source that asks a server about each token, as client "id" with password "s&t".
  void make_with_introspection(LocalHttpServer::Answer answer,
                               std::shared_ptr<OauthOptions> wanted = options()) {
    server_.emplace(std::move(answer));
    wanted->introspection_url = server_->url();
    wanted->client_id = "id";
    wanted->client_secret = Secret("s&t");
    make(wanted);
  }
  auth::LookupResult ask(const std::string& token, const std::string& user = kAlice,
                         const std::string& mechanism = "XOAUTH2") {
    std::optional<auth::LookupResult> result;
    const dialogue::Credentials credentials{mechanism, user, Secret(token)};
    source_->look_up({credentials, {}, {}, "imaps", "session", true},
                     [&](auth::LookupResult answer) {
                       result = std::move(answer);
                       loop_.stop();
                     });
    while (!result) {
      loop_.run();
    }
    return *std::move(result);
  }
  void expect_user(const auth::LookupResult& result, const std::string& user) {
    const auto* accepted = std::get_if<auth::Accepted>(&result);
    ASSERT_NE(accepted, nullptr) << words(result);
    EXPECT_EQ(accepted->route.user, user);
    EXPECT_EQ(accepted->route.name, user);
    EXPECT_TRUE(accepted->route.use_master);
  }
  void expect_refused(const auth::LookupResult& result, const std::string& why,
                      LoginFailure failure = LoginFailure::kWrongCredentials) {
    const auto* rejected = std::get_if<auth::Rejected>(&result);
    ASSERT_NE(rejected, nullptr) << words(result);
    EXPECT_EQ(rejected->failure, failure);
    EXPECT_THAT(rejected->detail, HasSubstr(why));
    EXPECT_EQ(rejected->text, "") << "the client has no business with this";
  }
  void expect_unavailable(const auth::LookupResult& result, const std::string& why) {
    const auto* unavailable = std::get_if<auth::Unavailable>(&result);
    ASSERT_NE(unavailable, nullptr) << words(result);
    EXPECT_THAT(unavailable->why, HasSubstr(why));
  }
  static std::string words(const auth::LookupResult& result) {
    if (const auto* rejected = std::get_if<auth::Rejected>(&result)) {
      return "rejected: " + rejected->detail;
    }
    const auto* unavailable = std::get_if<auth::Unavailable>(&result);
    return unavailable != nullptr ? "unavailable: " + unavailable->why : "something else";
  }

  net::Loop loop_;
  std::unique_ptr<net::TimerWheel> timers_ = std::make_unique<net::TimerWheel>(loop_);
  std::optional<LocalHttpServer> server_;
  std::unique_ptr<OauthSource> source_;
};

TEST_F(OauthSourceTest, TokensOfEitherKeyLetIn) {
  make_with_keys();
  expect_user(ask(rsa_token("rsa")), kAlice);
  expect_user(ask(ec_token("ec"), "", "OAUTHBEARER"), kAlice);
  expect_user(ask(ec_token("ec"), "Alice@Example.ORG"), kAlice);
  EXPECT_THAT(server_->requests(), SizeIs(1));
  EXPECT_THAT(server_->requests().front(), HasSubstr("GET /x HTTP/1.1\r\n"));
}

TEST_F(OauthSourceTest, WhatIsWrongWithATokenIsSaidToTheLogAlone) {
  make_with_keys();
  const std::string begin = R"({"iss":"https://issuer.example","email":"alice@example.org",)";
  const std::string now = std::to_string(proof::test::now_s());
  const std::string later = std::to_string(proof::test::now_s() + 3600);
  expect_refused(ask(ec_token("ec", begin + R"("aud":"imap","exp":)" +
                                        std::to_string(proof::test::now_s() - 60) + "}")),
                 "ended");
  expect_refused(
      ask(ec_token("ec", begin + R"("aud":"imap","exp":)" + later + R"(,"nbf":)" + later + "}")),
      "begins in");
  expect_refused(ask(ec_token("ec", begin + R"("aud":"web","exp":)" + later + "}")), "for 'web'");
  expect_refused(ask(ec_token("ec", begin + R"("aud":"imap"})")), "no end");
  expect_refused(ask(ec_token("ec", "no JSON")), "expected a JSON object");
  expect_refused(ask(ec_token("ec"), "bob@example.org"), "is of alice@example.org",
                 LoginFailure::kAuthorizationRefused);
  expect_refused(ask(ec_token("made up")), "not signed by a key");
  expect_refused(ask(ec_token("rsa")), "not signed by a key");
  std::string forged = ec_token("ec");
  forged.replace(forged.rfind('.') + 3, 4, "AAAA");
  expect_refused(ask(forged), "not signed by a key");
  expect_refused(ask("opaque"), "signed token");
  expect_refused(ask(proof::test::base64url(R"({"alg":"none"})") + "." +
                     proof::test::base64url(good_payload()) + "."),
                 "'none'");
}

TEST_F(OauthSourceTest, PasswordsAreForOthers) {
  make_with_keys();
  for (const char* mechanism : {"XOAUTH2", "OAUTHBEARER", "PLAIN", "LOGIN"}) {
    const dialogue::Credentials credentials{mechanism, kAlice, Secret("sesame")};
    EXPECT_EQ(source_->takes(credentials), credentials.by_token()) << mechanism;
  }
}

TEST_F(OauthSourceTest, KeysThatCannotBeFetchedAreNoFaultOfTheToken) {
  server_.emplace([](const std::string&) {
    return std::string("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
  });
  auto wanted = options();
  wanted->keys_url = server_->url();
  make(wanted);
  expect_unavailable(ask(ec_token("ec")), "HTTP status 500");
}

TEST_F(OauthSourceTest, KeysMayStandInAFileThatChanges) {
  const net::test::TemporaryDirectory directory;
  const auto write = [&](const std::string& text) {
    std::FILE* file = std::fopen(directory.file("jwks.json").c_str(), "w");
    std::fputs(text.c_str(), file);
    std::fclose(file);
  };
  write(key_set(ec_jwk(ec_key(), "ec")));
  auto wanted = options();
  wanted->keys_file = directory.file("jwks.json");
  make(wanted);
  expect_user(ask(ec_token("ec")), kAlice);
  write(key_set(rsa_jwk(rsa_key(), "rsa")));
  expect_user(ask(rsa_token("rsa")), kAlice);
}

TEST_F(OauthSourceTest, AServerIsAskedAboutATokenAsRfc7662Says) {
  make_with_introspection([](const std::string& request) {
    const bool known = request.find("token=op%26aque&") != request.npos;
    return http_ok(known ? R"({"active":true,"iss":"https://issuer.example","aud":"imap",)"
                           R"("email":"alice@example.org"})"
                         : R"({"active":false})");
  });
  expect_user(ask("op&aque"), kAlice);
  expect_refused(ask("unknown"), "not active");
  const std::string request = server_->requests().front();
  EXPECT_THAT(request, HasSubstr("POST /x HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nAuthorization: Basic aWQ6cyUyNnQ=\r\n"));  // id:s%26t
  EXPECT_THAT(request, HasSubstr("\r\nContent-Type: application/x-www-form-urlencoded\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\n\r\ntoken=op%26aque&token_type_hint=access_token"));
}

TEST_F(OauthSourceTest, WhatTheServerSaysOfATokenMustBeWhatTheRulesWant) {
  make_with_introspection([](const std::string&) {
    return http_ok(R"({"active":true,"iss":"https://issuer.example","aud":"web","email":"a@b"})");
  });
  expect_refused(ask("opaque"), "for 'web'");
}

TEST_F(OauthSourceTest, AServerThatSaysNothingOfUseIsNoRefusal) {
  auto wanted = options();
  wanted->timeout = 200ms;
  make_with_introspection(
      [](const std::string& request) {
        const std::string answers[] = {"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
                                       http_ok("<html>"), http_ok(R"({"active":"yes"})"),
                                       LocalHttpServer::kClose, LocalHttpServer::kHang};
        const std::size_t at = request.find("token=opaque") + std::string("token=opaque").size();
        return answers[request[at] - '0'];
      },
      wanted);
  expect_unavailable(ask("opaque0"), "HTTP status 401");
  expect_unavailable(ask("opaque1"), "expected a JSON object");
  expect_unavailable(ask("opaque2"), "true or false as active");
  expect_unavailable(ask("opaque3"), server_->url().to_string());
  expect_unavailable(ask("opaque4"), "imed out");
}

TEST_F(OauthSourceTest, WithBothASignedTokenMustBeGoodAndActive) {
  std::atomic<bool> active = true;
  auto wanted = options();
  const net::test::TemporaryDirectory directory;
  wanted->keys_file = directory.file("jwks.json");
  std::FILE* file = std::fopen(wanted->keys_file.c_str(), "w");
  std::fputs(key_set(ec_jwk(ec_key(), "ec")).c_str(), file);
  std::fclose(file);
  make_with_introspection(
      [&](const std::string&) {
        return http_ok(active ? R"({"active":true})" : R"({"active":false})");
      },
      wanted);
  expect_user(ask(ec_token("ec")), kAlice);
  active = false;
  expect_refused(ask(ec_token("ec")), "not active");
  EXPECT_THAT(server_->requests(), SizeIs(2));
  expect_refused(ask(rsa_token("ec")), "not signed");
  expect_refused(ask(ec_token("ec"), "bob"), "is of alice", LoginFailure::kAuthorizationRefused);
  EXPECT_THAT(server_->requests(), SizeIs(2)) << "asked about a token that is wrong by itself";
  expect_refused(ask("opaque"), "not active");
}

TEST_F(OauthSourceTest, ASourceThatGoesGivesUpWhatIsUnderWay) {
  make_with_introspection([](const std::string&) { return LocalHttpServer::kHang; });
  const dialogue::Credentials credentials{"XOAUTH2", kAlice, Secret("opaque")};
  source_->look_up({credentials, {}, {}, "imaps", "session", true},
                   [](auth::LookupResult) { FAIL() << "the source is gone"; });
  net::Timer stop(&loop_, [](void* loop) noexcept { static_cast<net::Loop*>(loop)->stop(); });
  timers_->arm(stop, 50);
  loop_.run();
  source_.reset();
}

TEST_F(OauthSourceTest, AUserIsExplainedOnlyWhereNoOtherSourceMayKnowMore) {
  const auth::LookupResult result = OauthSource::explain(kAlice, true);
  ASSERT_TRUE(std::holds_alternative<auth::Accepted>(result));
  EXPECT_EQ(std::get<auth::Accepted>(result).route.user, kAlice);
  EXPECT_TRUE(std::holds_alternative<auth::UnknownHere>(OauthSource::explain(kAlice, false)));
}

}  // namespace
}  // namespace headgate::sources
