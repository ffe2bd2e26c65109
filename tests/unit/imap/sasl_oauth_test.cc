#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/base64.h"
#include "client_script.h"
#include "imap/client_login.h"

namespace headgate::imap {
namespace {

using dialogue::BackendWelcome;
using dialogue::LoginFailure;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

ClientLoginOptions with_tokens() {
  ClientLoginOptions options;
  options.mechanisms = {sasl_xoauth2(), sasl_oauthbearer()};
  options.max_sasl = 16384;
  return options;
}

// What happens after the greeting.
std::string run(const std::string& sent, std::vector<test::Answer> answers = {},
                ClientLoginOptions options = with_tokens()) {
  const std::string greeting = ClientLoginProfile(options).greeting();
  const std::string log = test::play_in_every_cut({std::move(options), {sent}, answers});
  EXPECT_THAT(log, StartsWith(greeting));
  return log.substr(greeting.size());
}

std::string xoauth2(const std::string& user, const std::string& token) {
  return base64_encode("user=" + user + "\1auth=Bearer " + token + "\1\1");
}
std::string bearer(const std::string& header, const std::string& pairs) {
  return base64_encode(header + "\1" + pairs + "\1");
}

const std::string kIn = "a OK Logged in.\r\n<relay ''>\n";
const std::string kNo = "a NO [AUTHENTICATIONFAILED] Authentication failed.\r\n";
const std::string kInvalidToken = "+ " + base64_encode(R"({"status":"invalid_token"})") + "\r\n";
const std::string kInvalidRequest =
    "+ " + base64_encode(R"({"status":"invalid_request"})") + "\r\n";
const std::string kStatus400 =
    "+ " + base64_encode(R"({"status":"400","schemes":"Bearer","scope":""})") + "\r\n";

TEST(SaslOauth, Xoauth2GivesUserAndToken) {
  const std::string in = "<authenticate XOAUTH2 'alice@example.org' 'ya29.a_b-c~+/=='>\n" + kIn;
  const std::string message = xoauth2("alice@example.org", "ya29.a_b-c~+/==");
  EXPECT_EQ(run("a AUTHENTICATE XOAUTH2 " + message + "\r\n", {BackendWelcome{}}), in);
  EXPECT_EQ(run("a AUTHENTICATE xoauth2\r\n" + message + "\r\n", {BackendWelcome{}}),
            "+ \r\n" + in);
}

TEST(SaslOauth, OauthbearerGivesUserAndToken) {
  // The example of RFC 7628, section 4.1.
  const std::string message =
      "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZG"
      "OWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB";
  const std::string in =
      "<authenticate OAUTHBEARER 'user@example.com' "
      "'vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=='>\n" +
      kIn;
  EXPECT_EQ(run("a AUTHENTICATE OAUTHBEARER " + message + "\r\n", {BackendWelcome{}}), in);
  EXPECT_EQ(run("a AUTHENTICATE OAUTHBEARER\r\n" + message + "\r\n", {BackendWelcome{}}),
            "+ \r\n" + in);
}

TEST(SaslOauth, OauthbearerMayLeaveTheNameToTheToken) {
  EXPECT_EQ(run("a AUTHENTICATE OAUTHBEARER " + bearer("n,,", "auth=Bearer t\1") + "\r\n",
                {BackendWelcome{}}),
            "<authenticate OAUTHBEARER '' 't'>\n" + kIn);
  EXPECT_EQ(run("a AUTHENTICATE OAUTHBEARER " +
                    bearer("y,a=a=2Cb=3Dc,", "host=h\1auth=BEARER t\1port=143\1") + "\r\n",
                {BackendWelcome{}}),
            "<authenticate OAUTHBEARER 'a,b=c' 't'>\n" + kIn);
}

TEST(SaslOauth, ARefusedTokenIsExplainedBeforeTheReply) {
  const std::string token = "a AUTHENTICATE OAUTHBEARER " + bearer("n,a=u,", "auth=Bearer t\1");
  const std::string asked = "<authenticate OAUTHBEARER 'u' 't'>\n";
  EXPECT_EQ(run(token + "\r\nAQ==\r\nb NOOP\r\n", {LoginFailure::kWrongCredentials}),
            asked + kInvalidToken + kNo + "b OK NOOP completed.\r\n");
  EXPECT_EQ(run("a AUTHENTICATE XOAUTH2 " + xoauth2("u", "t") + "\r\n\r\nb NOOP\r\n",
                {LoginFailure::kExpired}),
            "<authenticate XOAUTH2 'u' 't'>\n" + kStatus400 +
                "a NO [EXPIRED] Password has expired.\r\nb OK NOOP completed.\r\n");
  EXPECT_EQ(run(token + "\r\n*\r\nb NOOP\r\n", {LoginFailure::kWrongCredentials}),
            asked + kInvalidToken + "a BAD Authentication cancelled.\r\nb OK NOOP completed.\r\n");
  EXPECT_EQ(run(token + "\r\nno base64 at all\r\n", {LoginFailure::kWrongCredentials}),
            asked + kInvalidToken + kNo);
}

TEST(SaslOauth, ASourceMayHaveWordsOfItsOwnForTheChallenge) {
  const dialogue::Refusal refusal(LoginFailure::kLookupUnavailable, "[UNAVAILABLE] Later", false,
                                  "not now");
  const std::string challenge = "+ " + base64_encode("not now") + "\r\n";
  EXPECT_EQ(run("a AUTHENTICATE XOAUTH2 " + xoauth2("u", "t") + "\r\n\r\nb NOOP\r\n", {refusal}),
            "<authenticate XOAUTH2 'u' 't'>\n" + challenge +
                "a NO [UNAVAILABLE] Later\r\nb OK NOOP completed.\r\n");
  const dialogue::Refusal last(LoginFailure::kWrongCredentials, "No", true, "not now");
  EXPECT_EQ(run("a AUTHENTICATE XOAUTH2 " + xoauth2("u", "t") + "\r\n\r\n", {last}),
            "<authenticate XOAUTH2 'u' 't'>\n" + challenge +
                "a NO [AUTHENTICATIONFAILED] No\r\n* BYE Too many failed logins.\r\n"
                "<close too_many_failures>\n");
}

TEST(SaslOauth, AFailureThatIsNotTheTokensHasNoChallenge) {
  EXPECT_EQ(run("a AUTHENTICATE XOAUTH2 " + xoauth2("u", "t") + "\r\nb NOOP\r\n",
                {LoginFailure::kLookupUnavailable}),
            "<authenticate XOAUTH2 'u' 't'>\n"
            "a NO [UNAVAILABLE] Temporary failure, please try again later.\r\n"
            "b OK NOOP completed.\r\n");
}

TEST(SaslOauth, RefusedTokensCountAsFailuresHoweverTheExchangeEnds) {
  const std::string token = "a AUTHENTICATE XOAUTH2 " + xoauth2("u", "t") + "\r\n";
  const std::string asked = "<authenticate XOAUTH2 'u' 't'>\n" + kStatus400;
  EXPECT_EQ(run(token + "*\r\n" + token + "\r\n" + token + "*\r\nb NOOP\r\n",
                {LoginFailure::kWrongCredentials, LoginFailure::kWrongCredentials,
                 LoginFailure::kWrongCredentials}),
            asked + "a BAD Authentication cancelled.\r\n" + asked + kNo + asked +
                "a BAD Authentication cancelled.\r\n* BYE Too many failed logins.\r\n"
                "<close too_many_failures>\n");
}

TEST(SaslOauth, AMessageWithoutATokenNeverReachesASource) {
  ClientLoginOptions options = with_tokens();
  options.max_failures = 0;
  const auto refused = [&](const std::string& message) {
    return run("a AUTHENTICATE OAUTHBEARER " + message + "\r\nAQ==\r\n", {}, options);
  };
  for (const std::string& pairs :
       {std::string("auth=\1"), std::string("auth=Bearer \1"), std::string("auth=Basic eA==\1"),
        std::string("auth=Bearer a b\1"), std::string("auth=Bearer a,b\1"),
        std::string("auth=Bearer ==\1"), std::string("auth=Bearer a\1auth=Bearer b\1"),
        std::string("host=h\1"), std::string("auth=Bearer a\r\1"), std::string("auth=Bearer a"),
        std::string("nothing\1auth=Bearer a\1"), std::string()}) {
    EXPECT_EQ(refused(bearer("n,a=u,", pairs)), kInvalidToken + kNo) << pairs;
  }
  for (const std::string header : {"", "n", "n,", "n,u", "n,a=,", "n,a=u", "p=tls-unique,a=u,",
                                   "n,a=u=2,", "n,a=u=41,", "n,a=u\r,", "n,a=u,x,", "F,n,a=u,"}) {
    EXPECT_EQ(refused(bearer(header, "auth=Bearer t\1")), kInvalidRequest + kNo) << header;
  }
  EXPECT_EQ(refused("AQ=="), kInvalidRequest + kNo);
  for (const std::string& message :
       {std::string("auth=Bearer t\1\1"), std::string("user=\1auth=Bearer t\1\1"),
        std::string("user=u\1auth=Bearer t"), std::string("user=u\r\1auth=Bearer t\1\1"),
        std::string("user=u\1auth=Bearer t\1\1x"), std::string("u")}) {
    EXPECT_EQ(run("a AUTHENTICATE XOAUTH2 " + base64_encode(message) + "\r\n\r\n", {}, options),
              kStatus400 + kNo)
        << message;
  }
}

TEST(SaslOauth, TokensOfEightKibibytesFitAndBiggerOnesAreRefused) {
  const std::string token(8192, 'x');
  const std::string message = xoauth2("alice", token);
  ASSERT_GT(message.size(), ClientLoginOptions().max_line);
  const std::string in = "<authenticate XOAUTH2 'alice' '" + token + "'>\n" + kIn;
  EXPECT_EQ(run("a AUTHENTICATE XOAUTH2 " + message + "\r\n", {BackendWelcome{}}), in);
  EXPECT_EQ(run("a AUTHENTICATE XOAUTH2\r\n" + message + "\r\n", {BackendWelcome{}}),
            "+ \r\n" + in);
  const std::string huge = xoauth2("alice", std::string(13000, 'x'));
  EXPECT_EQ(run("a AUTHENTICATE XOAUTH2 " + huge + "\r\nb NOOP\r\n"),
            "a BAD Line is too long.\r\nb OK NOOP completed.\r\n");
  EXPECT_EQ(run("a AUTHENTICATE XOAUTH2\r\n" + huge + "\r\nb NOOP\r\n"),
            "+ \r\na BAD Line is too long.\r\nb OK NOOP completed.\r\n");
}

TEST(SaslOauth, AListenerOfTokensAloneTakesNoPasswords) {
  ClientLoginOptions options = with_tokens();
  options.login_command = false;
  const ClientLoginProfile profile(options);
  EXPECT_THAT(profile.capabilities(true), EndsWith("AUTH=XOAUTH2 AUTH=OAUTHBEARER LOGINDISABLED"));
  EXPECT_EQ(
      run("a LOGIN alice secret\r\na LOGIN alice {6}\r\na LOGIN {5+}\r\nalice {6+}\r\nsecret\r\n"
          "a AUTHENTICATE PLAIN AGEAYg==\r\n",
          {}, options),
      "a NO [CANNOT] Use AUTHENTICATE.\r\na NO [CANNOT] Use AUTHENTICATE.\r\n"
      "a NO [CANNOT] Use AUTHENTICATE.\r\n"
      "a NO [CANNOT] Unsupported authentication mechanism.\r\n");
}

TEST(SaslOauth, AMechanismWhoseCapabilityIsTakenAwayIsOff) {
  ClientLoginOptions options = with_tokens();
  options.capabilities_remove = {"auth=XOAUTH2"};
  EXPECT_EQ(run("a AUTHENTICATE XOAUTH2\r\n", {}, options),
            "a NO [CANNOT] Unsupported authentication mechanism.\r\n");
}

}  // namespace
}  // namespace headgate::imap
