#include "imap/client_login.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/base64.h"
#include "client_script.h"

namespace headgate::imap {
namespace {

using dialogue::BackendWelcome;
using dialogue::CloseReason;
using dialogue::LoginFailure;
using test::ClientScript;
using test::play;
using test::play_in_every_cut;
using testing::EndsWith;
using testing::HasSubstr;

constexpr std::string_view kSecureGreeting =
    "* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID ENABLE AUTH=PLAIN AUTH=LOGIN] Headgate "
    "ready.\r\n";
constexpr std::string_view kClearGreeting =
    "* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID ENABLE STARTTLS LOGINDISABLED] Headgate "
    "ready.\r\n";
const BackendWelcome kWelcome = {"IMAP4rev1 IDLE", "", "Logged in", ""};
constexpr std::string_view kWelcomeLine =
    "a OK [CAPABILITY IMAP4rev1 IDLE] Logged in\r\n<relay ''>\n";

ClientLoginOptions starttls() {
  ClientLoginOptions options;
  options.secure = false;
  options.tls_available = true;
  return options;
}

// What happens after the greeting of a listener with TLS.
std::string after_greeting(std::string sent, std::vector<test::Answer> answers = {},
                           ClientLoginOptions options = {}) {
  std::string log = play_in_every_cut({std::move(options), {std::move(sent)}, std::move(answers)});
  EXPECT_THAT(log, testing::StartsWith(std::string(kSecureGreeting)));
  return log.substr(kSecureGreeting.size());
}

std::string bytes(std::string_view text) {
  return std::string(text);
}

TEST(ClientLogin, GreetsWithItsCapabilities) {
  EXPECT_EQ(play({{}, {}, {}}), kSecureGreeting);
  EXPECT_EQ(play({starttls(), {}, {}}), kClearGreeting);
}

TEST(ClientLogin, CapabilitiesCanBeAddedAndTakenAway) {
  ClientLoginOptions options = starttls();
  options.capabilities_add = {"X-HOUSE", "enable", "AUTH=XOAUTH2"};
  options.capabilities_remove = {"literal+", "AUTH=LOGIN", "NOSUCH"};
  options.greeting = "Hi\r\nthere";
  const ClientLoginProfile profile(options);
  EXPECT_EQ(profile.capabilities(false),
            "IMAP4rev1 SASL-IR ID ENABLE STARTTLS LOGINDISABLED X-HOUSE");
  EXPECT_EQ(profile.capabilities(true),
            "IMAP4rev1 SASL-IR ID ENABLE AUTH=PLAIN X-HOUSE AUTH=XOAUTH2");
  EXPECT_THAT(profile.greeting(), EndsWith("] Hi  there\r\n"));
}

TEST(ClientLogin, AnswersTheCommandsThatNeedNoLogin) {
  EXPECT_EQ(after_greeting("a CAPABILITY\r\nb noop\r\nc ENABLE CONDSTORE X\r\nd ID NIL\r\n"
                           "e Logout\r\nf NOOP\r\n"),
            "* CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID ENABLE AUTH=PLAIN AUTH=LOGIN\r\n"
            "a OK Capability completed.\r\n"
            "b OK NOOP completed.\r\n"
            "* ENABLED\r\nc OK Nothing enabled before login.\r\n"
            "* ID (\"name\" \"Headgate\")\r\nd OK ID completed.\r\n"
            "* BYE Logging out.\r\ne OK Logout completed.\r\n<close client_logout>\n");
}

TEST(ClientLogin, LogsInWithAtomsQuotedStringsAndLiterals) {
  for (const std::string sent :
       {"a LOGIN alice secret\r\n", "a login \"alice\" secret\r\n", "a LOGIN alice \"secret\"\r\n",
        "a LOGIN {5+}\r\nalice {6+}\r\nsecret\r\n", "a LOGIN alice {6+}\r\nsecret\r\n",
        "a LOGIN {5+}\r\nalice secret\r\n"}) {
    EXPECT_EQ(after_greeting(sent, {kWelcome}),
              "<authenticate LOGIN 'alice' 'secret'>\n" + bytes(kWelcomeLine))
        << sent;
  }
}

TEST(ClientLogin, AsksForEachSynchronizingLiteral) {
  EXPECT_EQ(after_greeting("a LOGIN {5}\r\nalice {6}\r\nsecret\r\n", {kWelcome}),
            "+ OK\r\n+ OK\r\n<authenticate LOGIN 'alice' 'secret'>\n" + bytes(kWelcomeLine));
}

TEST(ClientLogin, TakesEscapesUtf8AndOddCharacters) {
  EXPECT_EQ(after_greeting("a LOGIN \"al\\\"ice\\\\\" \"s e{c}r]et\"\r\n", {kWelcome}),
            "<authenticate LOGIN 'al\"ice\\' 's e{c}r]et'>\n" + bytes(kWelcomeLine));
  EXPECT_EQ(after_greeting("a LOGIN \"jürgen\" \"pässwörd€\"\r\n", {kWelcome}),
            "<authenticate LOGIN 'jürgen' 'pässwörd€'>\n" + bytes(kWelcomeLine));
  EXPECT_EQ(after_greeting("a LOGIN {7+}\r\njürgen {5+}\r\na\xff\"{}\r\n", {kWelcome}),
            "<authenticate LOGIN 'jürgen' 'a\xff\"{}'>\n" + bytes(kWelcomeLine));
  EXPECT_EQ(after_greeting("a LOGIN alice]+~ x]\r\n", {kWelcome}),
            "<authenticate LOGIN 'alice]+~' 'x]'>\n" + bytes(kWelcomeLine));
}

TEST(ClientLogin, AuthenticatesWithPlain) {
  const std::string token = base64_encode(std::string_view("\0alice\0secret", 13));
  const std::string login = "<authenticate PLAIN 'alice' 'secret'>\n" + bytes(kWelcomeLine);
  EXPECT_EQ(after_greeting("a AUTHENTICATE PLAIN " + token + "\r\n", {kWelcome}), login);
  EXPECT_EQ(after_greeting("a authenticate plain\r\n" + token + "\r\n", {kWelcome}),
            "+ \r\n" + login);
  const std::string same = base64_encode(std::string_view("alice\0alice\0secret", 18));
  EXPECT_EQ(after_greeting("a AUTHENTICATE PLAIN " + same + "\r\n", {kWelcome}), login);
}

TEST(ClientLogin, AuthenticatesWithLogin) {
  const std::string login = "<authenticate LOGIN 'alice' 'secret'>\n" + bytes(kWelcomeLine);
  EXPECT_EQ(after_greeting("a AUTHENTICATE LOGIN\r\nYWxpY2U=\r\nc2VjcmV0\r\n", {kWelcome}),
            "+ VXNlcm5hbWU6\r\n+ UGFzc3dvcmQ6\r\n" + login);
  EXPECT_EQ(after_greeting("a AUTHENTICATE LOGIN YWxpY2U=\r\nc2VjcmV0\r\n", {kWelcome}),
            "+ UGFzc3dvcmQ6\r\n" + login);
}

TEST(ClientLogin, CancelsAnExchangeAtAnAsterisk) {
  EXPECT_EQ(after_greeting("a AUTHENTICATE PLAIN\r\n*\r\nb NOOP\r\n"),
            "+ \r\na BAD Authentication cancelled.\r\nb OK NOOP completed.\r\n");
}

TEST(ClientLogin, RefusesAnotherAuthorizationIdentity) {
  const std::string other = base64_encode(std::string_view("bob\0alice\0secret", 16));
  EXPECT_EQ(after_greeting("a AUTHENTICATE PLAIN " + other + "\r\n"),
            "a NO [AUTHORIZATIONFAILED] Authorization failed.\r\n");
}

TEST(ClientLogin, RefusesCredentialsThatCouldEndALineOrAString) {
  const std::string no = "a NO [AUTHENTICATIONFAILED] Authentication failed.\r\n";
  for (const std::string_view message :
       {std::string_view("\0alice\0sec\0ret", 14), std::string_view("\0alice\0sec\rret", 14),
        std::string_view("\0alice\0sec\nret", 14), std::string_view("\0al\nice\0secret", 14),
        std::string_view("\0\0secret", 8), std::string_view("\0al\xffice\0x", 10),
        std::string_view("alice"), std::string_view("\0alice", 6), std::string_view("")}) {
    EXPECT_EQ(after_greeting("a AUTHENTICATE PLAIN\r\n" + base64_encode(message) + "\r\n"),
              "+ \r\n" + no);
  }
  EXPECT_EQ(after_greeting("a AUTHENTICATE PLAIN =\r\n"), no);
  EXPECT_EQ(after_greeting("a LOGIN {6+}\r\nal\r\nce secret\r\n"), no);
  EXPECT_EQ(after_greeting("a LOGIN alice {5+}\r\nse\r\nt\r\n"), no);
  EXPECT_EQ(after_greeting("a LOGIN \"\" secret\r\n"), no);
  EXPECT_EQ(after_greeting("a LOGIN \"al\xff\" secret\r\n"), no);
  EXPECT_EQ(after_greeting("a LOGIN {0+}\r\n secret\r\n"), no);
}

TEST(ClientLogin, RefusesBadBase64) {
  for (const std::string line :
       {"AGFs!", "AGFsaWNlAHNlY3JldA", "AGFs\taWNl", " AGFs", "=", "AGFs "}) {
    EXPECT_EQ(after_greeting("a AUTHENTICATE PLAIN\r\n" + line + "\r\n"),
              "+ \r\na BAD Invalid base64.\r\n")
        << line;
  }
  for (const std::string rest : {" AGFs!", " AG\tFs", " ", " AGFs AGFs", " AGFs ",
                                 " ="
                                 "="}) {
    EXPECT_EQ(after_greeting("a AUTHENTICATE PLAIN" + rest + "\r\n"),
              "a BAD Invalid base64 in the initial response.\r\n")
        << rest;
  }
}

TEST(ClientLogin, RefusesALiteralAsInitialResponse) {
  EXPECT_EQ(after_greeting("a AUTHENTICATE PLAIN {4+}\r\nAGFs\r\nb NOOP\r\n"),
            "a BAD No literal is allowed here.\r\nb OK NOOP completed.\r\n");
  EXPECT_EQ(after_greeting("a AUTHENTICATE PLAIN {4}\r\nb NOOP\r\n"),
            "a BAD No literal is allowed here.\r\nb OK NOOP completed.\r\n");
  EXPECT_EQ(after_greeting("a AUTHENTICATE PLAIN\r\n{4}\r\nb NOOP\r\n"),
            "+ \r\na BAD Invalid base64.\r\nb OK NOOP completed.\r\n");
}

TEST(ClientLogin, RefusesUnknownMechanismsWithNo) {
  EXPECT_EQ(after_greeting("a AUTHENTICATE CRAM-MD5\r\nb AUTHENTICATE X AAAA\r\n"),
            "a NO [CANNOT] Unsupported authentication mechanism.\r\n"
            "b NO [CANNOT] Unsupported authentication mechanism.\r\n");
  EXPECT_EQ(after_greeting("a AUTHENTICATE\r\nb AUTHENTICATE \r\n"),
            "a BAD AUTHENTICATE takes a mechanism.\r\nb BAD AUTHENTICATE takes a mechanism.\r\n");
}

// Before TLS

TEST(ClientLogin, RefusesEveryLoginInTheClear) {
  const std::string no = " NO [PRIVACYREQUIRED] Logins are only accepted over TLS.\r\n";
  EXPECT_EQ(play_in_every_cut({starttls(),
                               {"a LOGIN alice secret\r\n"
                                "b LOGIN alice {6}\r\n"
                                "c LOGIN {5+}\r\nalice {6+}\r\nsecret\r\n"
                                "d AUTHENTICATE PLAIN\r\n"
                                "e AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==\r\n"
                                "f LOGIN {5+}\r\nalice {6}\r\n"
                                "g LOGIN\r\n"
                                "h NOOP\r\n"},
                               {}}),
            bytes(kClearGreeting) + "a" + no + "b" + no + "c" + no + "d" + no + "e" + no + "f" +
                no + "g" + no + "h OK NOOP completed.\r\n");
}

TEST(ClientLogin, StartsTlsAndThrowsAwayWhatWasPipelinedBehindIt) {
  EXPECT_EQ(play_in_every_cut({starttls(),
                               {"a STARTTLS\r\nb LOGIN mallory evil\r\nc NOO",
                                "a CAPABILITY\r\na LOGIN alice secret\r\n"},
                               {kWelcome}}),
            bytes(kClearGreeting) +
                "a OK Begin TLS negotiation now.\r\n<starttls>\n"
                "* CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID ENABLE AUTH=PLAIN AUTH=LOGIN\r\n"
                "a OK Capability completed.\r\n"
                "<authenticate LOGIN 'alice' 'secret'>\n"
                "* CAPABILITY IMAP4rev1 IDLE\r\na OK Logged in\r\n<relay ''>\n");
}

TEST(ClientLogin, ForgetsBeforeTlsWhatItLearnedInTheClear) {
  const ClientScript script = {
      starttls(),
      {"a CAPABILITY\r\nb ID (\"name\" \"x\")\r\nc STARTTLS\r\n", "a LOGIN alice secret\r\n"},
      {kWelcome}};
  test::ClientPlayer player(script, [](std::size_t) { return 0; });
  EXPECT_THAT(player.play(), HasSubstr("a OK [CAPABILITY IMAP4rev1 IDLE] Logged in\r\n"));
  EXPECT_TRUE(player.login().client_id().empty());
}

TEST(ClientLogin, RefusesStartTlsWhereThereIsNoneToStart) {
  EXPECT_EQ(after_greeting("a STARTTLS\r\n"), "a BAD STARTTLS is not available.\r\n");
  EXPECT_THAT(play_in_every_cut({starttls(), {"a STARTTLS now\r\n"}, {}}),
              EndsWith("a BAD Command takes no arguments.\r\n"));
  EXPECT_THAT(play_in_every_cut({starttls(), {"a STARTTLS\r\n", "b STARTTLS\r\n"}, {}}),
              EndsWith("<starttls>\nb BAD STARTTLS is not available.\r\n"));
}

// Success and failure

TEST(ClientLogin, HandsOverWhatIsPipelinedBehindTheLogin) {
  EXPECT_EQ(
      after_greeting("a LOGIN alice secret\r\nb SELECT INBOX\r\nc APPEND x {3}\r\n", {kWelcome}),
      "<authenticate LOGIN 'alice' 'secret'>\n"
      "a OK [CAPABILITY IMAP4rev1 IDLE] Logged in\r\n"
      "<relay 'b SELECT INBOX\r\nc APPEND x {3}\r\n'>\n");
}

TEST(ClientLogin, TellsTheBackendsCapabilitiesAsTheClientCanReadThem) {
  EXPECT_EQ(after_greeting("a CAPABILITY\r\na LOGIN u p\r\n", {kWelcome}),
            "* CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID ENABLE AUTH=PLAIN AUTH=LOGIN\r\n"
            "a OK Capability completed.\r\n<authenticate LOGIN 'u' 'p'>\n"
            "* CAPABILITY IMAP4rev1 IDLE\r\na OK Logged in\r\n<relay ''>\n");
}

TEST(ClientLogin, PassesOnTheOtherWordsOfTheBackend) {
  const std::string login = "<authenticate LOGIN 'u' 'p'>\n";
  EXPECT_EQ(
      after_greeting("a LOGIN u p\r\n", {BackendWelcome{"", "", "Hello", "* OK [ALERT] Full\r\n"}}),
      login + "* OK [ALERT] Full\r\na OK Hello\r\n<relay ''>\n");
  EXPECT_EQ(after_greeting("a LOGIN u p\r\n", {BackendWelcome{"X", "ALERT", "Full", ""}}),
            login + "* OK [ALERT] Full\r\na OK [CAPABILITY X] Full\r\n<relay ''>\n");
  EXPECT_EQ(after_greeting("a LOGIN u p\r\n", {BackendWelcome{"", "ALERT", "Full", ""}}),
            login + "a OK [ALERT] Full\r\n<relay ''>\n");
  EXPECT_EQ(after_greeting("a LOGIN u p\r\n", {BackendWelcome{}}),
            login + "a OK Logged in.\r\n<relay ''>\n");
}

TEST(ClientLogin, SaysTheSameForEveryUserThatFails) {
  EXPECT_EQ(after_greeting("a LOGIN alice x\r\nb LOGIN nobody x\r\n",
                           {LoginFailure::kWrongCredentials, LoginFailure::kWrongCredentials}),
            "<authenticate LOGIN 'alice' 'x'>\n"
            "a NO [AUTHENTICATIONFAILED] Authentication failed.\r\n"
            "<authenticate LOGIN 'nobody' 'x'>\n"
            "b NO [AUTHENTICATIONFAILED] Authentication failed.\r\n");
}

TEST(ClientLogin, GoesOnAfterAFailureWithWhatWasPipelined) {
  EXPECT_EQ(after_greeting("a LOGIN alice x\r\nb NOOP\r\na LOGIN alice y\r\n",
                           {LoginFailure::kBackendUnavailable, kWelcome}),
            "<authenticate LOGIN 'alice' 'x'>\n"
            "a NO [UNAVAILABLE] Temporary failure, please try again later.\r\n"
            "b OK NOOP completed.\r\n"
            "<authenticate LOGIN 'alice' 'y'>\n" +
                bytes(kWelcomeLine));
}

TEST(ClientLogin, EndsAfterTheThirdFailedLogin) {
  const std::string log =
      after_greeting("a LOGIN u 1\r\nb AUTHENTICATE PLAIN =\r\nc LOGIN u 3\r\nd NOOP\r\n",
                     {LoginFailure::kWrongCredentials, LoginFailure::kWrongCredentials});
  EXPECT_THAT(log, EndsWith("c NO [AUTHENTICATIONFAILED] Authentication failed.\r\n"
                            "* BYE Too many failed logins.\r\n<close too_many_failures>\n"));
}

TEST(ClientLogin, NeverEndsForFailuresWhereTheyAreNotLimited) {
  ClientLoginOptions options;
  options.max_failures = 0;
  options.max_bad_commands = 0;
  std::string sent;
  for (int i = 0; i < 20; ++i) {
    sent += "a AUTHENTICATE PLAIN =\r\nb NOSUCH\r\n";
  }
  EXPECT_THAT(after_greeting(sent + "c NOOP\r\n", {}, options),
              EndsWith("c OK NOOP completed.\r\n"));
}

// The driver's side

TEST(ClientLogin, NamesItsState) {
  ClientLoginOptions options;
  options.max_line = 40;
  const ClientLoginProfile profile(options);
  ClientLogin login(profile);
  std::string out;
  EXPECT_EQ(login.state_name(), "greeting");
  login.greet(out);
  EXPECT_EQ(login.state_name(), "command");
  login.on_bytes("a LOG", out);
  EXPECT_EQ(login.state_name(), "command-begun");
  login.on_bytes("IN {5}\r\nali", out);
  EXPECT_EQ(login.state_name(), "literal");
  login.on_bytes(std::string(100, 'x'), out);
  EXPECT_EQ(login.state_name(), "skipping");
  login.on_bytes("\r\n", out);
  EXPECT_EQ(login.state_name(), "command");
  login.on_bytes("a AUTHENTICATE LOGIN\r\nYWx", out);
  EXPECT_EQ(login.state_name(), "sasl-response");
  login.on_bytes("p\r\nYWxp\r\n", out);
  EXPECT_EQ(login.state_name(), "authenticating");
  EXPECT_TRUE(login.awaiting_answer());
  login.on_login_succeeded({}, out);
  EXPECT_EQ(login.state_name(), "logged-in");
  EXPECT_FALSE(login.awaiting_answer());
}

TEST(ClientLogin, SaysFarewellOnceAndOnlyWhileItMaySpeak) {
  const ClientLoginProfile profile({});
  ClientLogin login(profile);
  std::string out;
  login.greet(out);
  out.clear();
  login.farewell(CloseReason::kLoginTimeout, out);
  EXPECT_EQ(out, "* BYE Login took too long.\r\n");
  out.clear();
  login.farewell(CloseReason::kClientReset, out);
  EXPECT_EQ(out, "");
  login.on_bytes("a LOGOUT\r\n", out);
  out.clear();
  login.farewell(CloseReason::kShutdown, out);
  EXPECT_EQ(out, "");
}

TEST(ClientLogin, KeepsQuietInTheMiddleOfATlsHandshake) {
  const ClientLoginProfile profile(starttls());
  ClientLogin login(profile);
  std::string out;
  login.greet(out);
  login.on_bytes("a STARTTLS\r\n", out);
  out.clear();
  EXPECT_EQ(login.on_bytes("b LOGIN x y\r\n", out).consumed, 13U);
  login.farewell(CloseReason::kLoginTimeout, out);
  EXPECT_EQ(out, "");
}

TEST(ClientLogin, TakesNoByteWhileAnAnswerIsOwed) {
  const ClientLoginProfile profile({});
  ClientLogin login(profile);
  std::string out;
  login.greet(out);
  const auto step = login.on_bytes("a LOGIN u p\r\nb NOOP\r\n", out);
  EXPECT_EQ(step.consumed, 13U);
  out.clear();
  EXPECT_EQ(login.on_bytes("b NOOP\r\n", out).consumed, 0U);
  EXPECT_EQ(out, "");
}

}  // namespace
}  // namespace headgate::imap
