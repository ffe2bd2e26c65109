#include "imap/sasl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/base64.h"
#include "client_script.h"
#include "imap/client_login.h"

namespace headgate::imap {
namespace {

using dialogue::BackendWelcome;
using dialogue::LoginFailure;

// A mechanism of three rounds that the dialogue has never heard of.
class RiddleExchange final : public SaslExchange {
 public:
  SaslStep on_response(const Secret& response) override {
    switch (round_++) {
      case 0:
        user_ = response.view();
        return SaslChallenge{"colour"};
      case 1:
        colour_ = response.view();
        return SaslChallenge{"number"};
      default:
        if (colour_ != "blue") {
          return SaslRefused{LoginFailure::kWrongCredentials};
        }
        return make_credentials("X-RIDDLE", user_, response.view());
    }
  }

 private:
  [[nodiscard]] std::string_view first_challenge() const override { return "name"; }

  int round_ = 0;
  std::string user_;
  std::string colour_;
};

ClientLoginOptions with_riddle() {
  ClientLoginOptions options;
  options.mechanisms = {
      {"X-RIDDLE",
       []() -> std::unique_ptr<SaslExchange> { return std::make_unique<RiddleExchange>(); }},
      {"SCRAM-SHA-256", nullptr}};
  return options;
}

constexpr std::string_view kGreeting =
    "* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID ENABLE AUTH=X-RIDDLE AUTH=SCRAM-SHA-256] "
    "Headgate ready.\r\n";

std::string line(std::string_view bytes) {
  return base64_encode(bytes) + "\r\n";
}

TEST(Sasl, TakesAMechanismOfThreeRoundsFromOutside) {
  const std::string challenges = "+ " + line("colour") + "+ " + line("number") +
                                 "<authenticate X-RIDDLE 'alice' '42'>\n" +
                                 "a OK Logged in.\r\n<relay ''>\n";
  EXPECT_EQ(test::play_in_every_cut(
                {with_riddle(),
                 {"a AUTHENTICATE x-riddle\r\n" + line("alice") + line("blue") + line("42")},
                 {BackendWelcome{}}}),
            std::string(kGreeting) + "+ " + line("name") + challenges);
  EXPECT_EQ(test::play_in_every_cut(
                {with_riddle(),
                 {"a AUTHENTICATE X-RIDDLE " + line("alice") + line("blue") + line("42")},
                 {BackendWelcome{}}}),
            std::string(kGreeting) + challenges);
}

TEST(Sasl, AMechanismMayRefuseInAnyRound) {
  EXPECT_EQ(test::play_in_every_cut({with_riddle(),
                                     {"a AUTHENTICATE X-RIDDLE " + line("alice") + line("red") +
                                      line("42") + "b NOOP\r\n"},
                                     {}}),
            std::string(kGreeting) + "+ " + line("colour") + "+ " + line("number") +
                "a NO [AUTHENTICATIONFAILED] Authentication failed.\r\nb OK NOOP completed.\r\n");
}

TEST(Sasl, AMechanismWithoutExchangeIsTheUserSourcesToJudge) {
  EXPECT_EQ(test::play_in_every_cut({with_riddle(),
                                     {"a AUTHENTICATE SCRAM-SHA-256 " + line("n,,n=alice,r=x") +
                                      line("c=biws,p=y") + "\r\nb SELECT INBOX\r\n"},
                                     {test::Challenge{"r=xz,s=salt"}, test::Challenge{"v=proof"},
                                      BackendWelcome{"IMAP4rev1", "", "In", ""}}}),
            std::string(kGreeting) + "<sasl SCRAM-SHA-256 initial 'n,,n=alice,r=x'>\n+ " +
                line("r=xz,s=salt") + "<sasl SCRAM-SHA-256 'c=biws,p=y'>\n+ " + line("v=proof") +
                "<sasl SCRAM-SHA-256 ''>\na OK [CAPABILITY IMAP4rev1] In\r\n"
                "<relay 'b SELECT INBOX\r\n'>\n");
}

TEST(Sasl, ASourceMayAskFirstAndRefuseLater) {
  EXPECT_EQ(test::play_in_every_cut(
                {with_riddle(),
                 {"a AUTHENTICATE SCRAM-SHA-256\r\n" + line("hello") +
                  "a AUTHENTICATE SCRAM-SHA-256\r\n*\r\n"},
                 {test::Challenge{""}, LoginFailure::kWrongCredentials, test::Challenge{"x"}}}),
            std::string(kGreeting) +
                "<sasl SCRAM-SHA-256 initial>\n+ \r\n<sasl SCRAM-SHA-256 'hello'>\n"
                "a NO [AUTHENTICATIONFAILED] Authentication failed.\r\n"
                "<sasl SCRAM-SHA-256 initial>\n+ eA==\r\na BAD Authentication cancelled.\r\n");
}

TEST(Sasl, AnExchangeWithASourceThatIsGivenUpCountsAsAFailure) {
  const std::string once = "a AUTHENTICATE SCRAM-SHA-256\r\n*\r\n";
  const std::string seen =
      "<sasl SCRAM-SHA-256 initial>\n+ eA==\r\na BAD Authentication cancelled.\r\n";
  const test::Challenge challenge{"x"};
  const std::string played = test::play_in_every_cut(
      {with_riddle(), {once + once + once}, {challenge, challenge, challenge}});
  EXPECT_THAT(played, testing::StartsWith(std::string(kGreeting) + seen + seen + seen + "* BYE "));
}

TEST(Sasl, KnowsWhatMayLeaveTheDialogue) {
  EXPECT_TRUE(acceptable_user("jürgen@example.org"));
  EXPECT_FALSE(acceptable_user(""));
  EXPECT_FALSE(acceptable_user("a\nb"));
  EXPECT_FALSE(acceptable_user(std::string_view("a\0b", 3)));
  EXPECT_FALSE(acceptable_user("\xe4"));
  EXPECT_TRUE(acceptable_secret(""));
  EXPECT_TRUE(acceptable_secret("\xe4 any\tthing"));
  EXPECT_FALSE(acceptable_secret("a\rb"));
  EXPECT_FALSE(acceptable_secret(std::string_view("a\0b", 3)));
}

TEST(SaslExternal, ItIsOfferedToAClientThatHasShownACertificateAndTakesTheIdentityAlone) {
  ClientLoginOptions options;
  options.mechanisms = {sasl_plain(), sasl_external()};
  const ClientLoginProfile profile(options);
  for (const auto& [encoded, user] : {std::pair("=", ""), std::pair("YWxpY2U=", "alice")}) {
    ClientLogin client(profile);
    std::string out;
    client.on_certificate();
    client.greet(out);
    EXPECT_NE(out.find("AUTH=EXTERNAL"), out.npos) << out;
    const std::string line = std::string("a AUTHENTICATE EXTERNAL ") + encoded + "\r\n";
    const dialogue::Step step = client.on_bytes(line, out);
    const auto* login = std::get_if<dialogue::Authenticate>(&step.action);
    ASSERT_NE(login, nullptr) << out;
    EXPECT_EQ(login->credentials.user, user);
    EXPECT_TRUE(login->credentials.by_certificate());
    EXPECT_TRUE(login->credentials.secret.empty());
  }
}

TEST(SaslTied, WhereTheConnectionHasNothingToTieToThereIsNone) {
  ClientLoginOptions options;
  options.mechanisms = {sasl_plain(), {.name = "SCRAM-SHA-256-PLUS", .tied = true}};
  const ClientLoginProfile profile(options);
  for (const bool bound : {true, false}) {
    ClientLogin client(profile);
    std::string out;
    if (!bound) {
      client.on_unbound();
    }
    client.greet(out);
    client.on_bytes("a CAPABILITY\r\n", out);
    EXPECT_EQ(out.find("AUTH=SCRAM-SHA-256-PLUS") != out.npos, bound) << out;
    EXPECT_NE(out.find("AUTH=PLAIN"), out.npos) << out;
    out.clear();
    const dialogue::Step step = client.on_bytes("b AUTHENTICATE SCRAM-SHA-256-PLUS AAAA\r\n", out);
    EXPECT_EQ(std::holds_alternative<dialogue::SaslResponse>(step.action), bound) << out;
    EXPECT_EQ(out, bound ? "" : "b NO [CANNOT] Unsupported authentication mechanism.\r\n");
  }
}

TEST(SaslExternal, WithoutACertificateThereIsNone) {
  ClientLoginOptions options;
  options.mechanisms = {sasl_plain(), sasl_external()};
  const ClientLoginProfile profile(options);
  ClientLogin client(profile);
  std::string out;
  client.greet(out);
  EXPECT_EQ(out.find("EXTERNAL"), out.npos) << out;
  out.clear();
  client.on_bytes("a AUTHENTICATE EXTERNAL =\r\n", out);
  EXPECT_EQ(out, "a NO [CANNOT] Unsupported authentication mechanism.\r\n");
}

}  // namespace
}  // namespace headgate::imap
