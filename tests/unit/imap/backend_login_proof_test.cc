#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "backend_script.h"
#include "base/base64.h"
#include "imap/backend_login.h"

namespace headgate::imap {
namespace {

using dialogue::BackendLoginRequest;
using dialogue::BackendProof;
using test::play_in_every_cut;

std::function<BackendLoginRequest()> by(BackendProof proof, const std::string& secret = "token",
                                        const std::string& user = "alice") {
  return [=] {
    BackendLoginRequest request;
    request.proof = proof;
    request.user = user;
    request.password = Secret(secret);
    request.forward_client = false;
    return request;
  };
}

std::string greeting(const std::string& capabilities) {
  return "* OK [CAPABILITY IMAP4rev1 " + capabilities + "] hi\r\n";
}

std::string run(const std::string& sent, std::function<BackendLoginRequest()> request) {
  return play_in_every_cut({{}, {sent}, std::move(request)});
}

const std::string kOk = "L OK [CAPABILITY IMAP4rev1] In\r\n";
const std::string kIn = "<logged in: IMAP4rev1 |  | In | >\n<relay ''>\n";
const std::string kXoauth2 = base64_encode("user=alice\1auth=Bearer token\1\1");
const std::string kBearer = base64_encode("n,a=alice,\1auth=Bearer token\1\1");

TEST(BackendLoginProof, PassesATokenOnByTheMechanismItCameWith) {
  const std::string all = greeting("SASL-IR AUTH=XOAUTH2 AUTH=OAUTHBEARER");
  EXPECT_EQ(run(all + kOk, by(BackendProof::kXoauth2)),
            "L AUTHENTICATE XOAUTH2 " + kXoauth2 + "\r\n" + kIn);
  EXPECT_EQ(run(all + kOk, by(BackendProof::kOauthbearer)),
            "L AUTHENTICATE OAUTHBEARER " + kBearer + "\r\n" + kIn);
}

TEST(BackendLoginProof, TakesTheOtherTokenMechanismWhereTheBackendHasOnlyThat) {
  EXPECT_EQ(
      run(greeting("SASL-IR AUTH=OAUTHBEARER LOGINDISABLED") + kOk, by(BackendProof::kXoauth2)),
      "L AUTHENTICATE OAUTHBEARER " + kBearer + "\r\n" + kIn);
  EXPECT_EQ(run(greeting("SASL-IR AUTH=XOAUTH2") + kOk, by(BackendProof::kOauthbearer)),
            "L AUTHENTICATE XOAUTH2 " + kXoauth2 + "\r\n" + kIn);
  EXPECT_EQ(run(greeting("SASL-IR AUTH=PLAIN"), by(BackendProof::kXoauth2)),
            "<failed backend_misconfigured: no AUTH=XOAUTH2 nor AUTH=OAUTHBEARER>\n");
}

TEST(BackendLoginProof, WaitsForTheContinuationWithoutSaslIrAndWithALongToken) {
  EXPECT_EQ(run(greeting("AUTH=XOAUTH2") + "+ \r\n" + kOk, by(BackendProof::kXoauth2)),
            "L AUTHENTICATE XOAUTH2\r\n" + kXoauth2 + "\r\n" + kIn);
  const std::string token(8192, 't');
  EXPECT_EQ(
      run(greeting("SASL-IR AUTH=XOAUTH2") + "+ \r\n" + kOk, by(BackendProof::kXoauth2, token)),
      "L AUTHENTICATE XOAUTH2\r\n" + base64_encode("user=alice\1auth=Bearer " + token + "\1\1") +
          "\r\n" + kIn);
}

TEST(BackendLoginProof, AnswersTheChallengeOfARefusal) {
  const std::string why = "+ eyJzdGF0dXMiOiI0MDEifQ==\r\n";
  const std::string no = "L NO [AUTHENTICATIONFAILED] no\r\n";
  const std::string failed = "<failed wrong_credentials: NO [AUTHENTICATIONFAILED] no>\n";
  EXPECT_EQ(run(greeting("SASL-IR AUTH=XOAUTH2") + why + no, by(BackendProof::kXoauth2)),
            "L AUTHENTICATE XOAUTH2 " + kXoauth2 + "\r\n\r\n" + failed);
  EXPECT_EQ(run(greeting("AUTH=OAUTHBEARER") + "+ \r\n" + why + no, by(BackendProof::kOauthbearer)),
            "L AUTHENTICATE OAUTHBEARER\r\n" + kBearer + "\r\nAQ==\r\n" + failed);
  EXPECT_EQ(run(greeting("SASL-IR AUTH=XOAUTH2") + no, by(BackendProof::kXoauth2)),
            "L AUTHENTICATE XOAUTH2 " + kXoauth2 + "\r\n" + failed);
  EXPECT_EQ(run(greeting("SASL-IR AUTH=XOAUTH2") + why + why, by(BackendProof::kXoauth2)),
            "L AUTHENTICATE XOAUTH2 " + kXoauth2 +
                "\r\n\r\n<failed backend_protocol: asks for more than there is to send>\n");
}

TEST(BackendLoginProof, EscapesANameInTheGs2Header) {
  EXPECT_EQ(
      run(greeting("SASL-IR AUTH=OAUTHBEARER") + kOk, by(BackendProof::kOauthbearer, "t", "a,b=c")),
      "L AUTHENTICATE OAUTHBEARER " + base64_encode("n,a=a=2Cb=3Dc,\1auth=Bearer t\1\1") + "\r\n" +
          kIn);
}

TEST(BackendLoginProof, ExternalSendsTheUserAndNoSecret) {
  EXPECT_EQ(
      run(greeting("SASL-IR AUTH=EXTERNAL LOGINDISABLED") + kOk, by(BackendProof::kExternal, "")),
      "L AUTHENTICATE EXTERNAL YWxpY2U=\r\n" + kIn);
  EXPECT_EQ(run(greeting("AUTH=EXTERNAL") + "+ \r\n" + kOk, by(BackendProof::kExternal, "")),
            "L AUTHENTICATE EXTERNAL\r\nYWxpY2U=\r\n" + kIn);
  EXPECT_EQ(run(greeting("AUTH=PLAIN"), by(BackendProof::kExternal, "")),
            "<failed backend_misconfigured: no AUTH=EXTERNAL>\n");
}

}  // namespace
}  // namespace headgate::imap
