#include "imap/backend_login.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "backend_script.h"
#include "base/base64.h"

namespace headgate::imap {
namespace {

using dialogue::BackendLoginRequest;
using test::play_in_every_cut;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

using MakeRequest = std::function<BackendLoginRequest()>;

BackendLoginRequest plain_request(std::string user = "alice",
                                  std::string_view password = "secret") {
  BackendLoginRequest request;
  request.user = std::move(user);
  request.password = Secret(password);
  request.client.session_id = "s1";
  request.client.client = *Endpoint::parse("192.0.2.7:4242");
  request.client.connected = *Endpoint::parse("[2001:db8::1]:993");
  request.client.tls = true;
  return request;
}

// Without ID, so that a transcript shows the rest.
MakeRequest nameless(std::string user = "alice", std::string password = "secret") {
  return [=] {
    BackendLoginRequest request = plain_request(user, password);
    request.forward_client = false;
    return request;
  };
}

MakeRequest master() {
  return [] {
    BackendLoginRequest request = plain_request("master", "key");
    request.authorization = "alice";
    request.forward_client = false;
    return request;
  };
}

// What happens when `sent` comes and the login is known from the start.
std::string run(std::string sent, MakeRequest request = nameless()) {
  return play_in_every_cut({{}, {std::move(sent)}, std::move(request)});
}

const std::string kGreeting = "* OK [CAPABILITY IMAP4rev1 ID SASL-IR LITERAL+ AUTH=PLAIN] hi\r\n";
const std::string kIn = "<logged in: IMAP4rev1 IDLE |  | In | >\n<relay ''>\n";
const std::string kOk = "L OK [CAPABILITY IMAP4rev1 IDLE] In\r\n";

TEST(BackendLogin, LogsInWithOneWriteWhenTheGreetingTellsEnough) {
  EXPECT_EQ(run(kGreeting + kOk), "L LOGIN \"alice\" \"secret\"\r\n" + kIn);
}

TEST(BackendLogin, SendsIdAndLoginTogether) {
  EXPECT_EQ(run(kGreeting + "* ID (\"name\" \"Dovecot\")\r\nI OK done\r\n" + kOk,
                [] { return plain_request(); }),
            "I ID (\"x-session-id\" \"s1\" \"x-originating-ip\" \"192.0.2.7\" "
            "\"x-originating-port\" \"4242\" \"x-connected-ip\" \"2001:db8::1\" "
            "\"x-connected-port\" \"993\" \"x-proxy-ttl\" \"6\" \"x-client-transport\" \"TLS\")\r\n"
            "L LOGIN \"alice\" \"secret\"\r\n" +
                kIn);
}

TEST(BackendLogin, SendsTheClientsOwnIdWithoutWhatItMayNotSay) {
  const auto request = [] {
    BackendLoginRequest made = plain_request();
    made.client.tls = false;
    made.client.server_name = "imap.example.org";
    made.client.id = {{"name", "Out\"look\r\n", false},
                      {"X-Originating-IP", "127.0.0.1", false},
                      {"os", "", true},
                      {"x-proxy-ttl", "99", false},
                      {"vendor", "\xc3\xa4", false},
                      {"", "nameless", false}};
    return made;
  };
  EXPECT_THAT(run(kGreeting, request),
              StartsWith("I ID (\"name\" \"Out\\\"look??\" \"os\" NIL \"vendor\" \"??\" "
                         "\"x-session-id\" \"s1\" \"x-originating-ip\" \"192.0.2.7\" "));
  EXPECT_THAT(run(kGreeting, request),
              HasSubstr("\"x-client-transport\" \"insecure\" \"x-connected-name\" "
                        "\"imap.example.org\")\r\nL LOGIN"));
}

TEST(BackendLogin, SendsNoIdToABackendThatDoesNotListIt) {
  EXPECT_EQ(run("* OK [CAPABILITY IMAP4rev1] hi\r\n" + kOk, [] { return plain_request(); }),
            "L LOGIN \"alice\" \"secret\"\r\n" + kIn);
}

TEST(BackendLogin, RefusesALoop) {
  for (const unsigned ttl : {0U, 1U}) {
    EXPECT_EQ(run(kGreeting,
                  [=] {
                    BackendLoginRequest request = plain_request();
                    request.client.ttl = ttl;
                    return request;
                  }),
              "<failed loop: x-proxy-ttl is used up>\n");
  }
}

TEST(BackendLogin, TakesTheIdRepliesAsTheyCome) {
  const auto request = [] { return plain_request(); };
  EXPECT_THAT(run(kGreeting + "I BAD what?\r\n" + kOk, request), EndsWith(kIn));
  EXPECT_THAT(run(kGreeting + "I NO not now\r\n" + kOk, request), EndsWith(kIn));
  EXPECT_THAT(run(kGreeting + "I NO [SERVERBUG] Failed to reload configuration\r\n" + kOk, request),
              EndsWith("<failed backend_misconfigured: to ID: NO [SERVERBUG] Failed to reload "
                       "configuration>\n"));
  EXPECT_THAT(run(kGreeting + kOk, request),
              EndsWith("<failed backend_protocol: no reply to ID>\n"));
}

TEST(BackendLogin, AsksForCapabilitiesThatTheGreetingDoesNotTell) {
  EXPECT_EQ(run("* OK hi\r\n* CAPABILITY IMAP4rev1 LITERAL+\r\nC OK done\r\n" + kOk),
            "C CAPABILITY\r\nL LOGIN \"alice\" \"secret\"\r\n" + kIn);
  EXPECT_EQ(run("* OK hi\r\nC OK [CAPABILITY IMAP4rev1] done\r\n"),
            "C CAPABILITY\r\n<failed backend_protocol: to CAPABILITY: OK [CAPABILITY] done>\n");
  EXPECT_THAT(run("* OK hi\r\nC BAD what\r\n"), HasSubstr("<failed backend_protocol"));
}

TEST(BackendLogin, ReadsTheGreetingBeforeAnyUserIsKnown) {
  EXPECT_EQ(play_in_every_cut({{}, {kGreeting, kOk}, nameless(), false}),
            "<ready>\nL LOGIN \"alice\" \"secret\"\r\n" + kIn);
  EXPECT_EQ(play_in_every_cut({{}, {kGreeting, "* OK still here\r\n"}, nullptr}), "<ready>\n");
  EXPECT_EQ(play_in_every_cut({{}, {kGreeting, "* BYE bored\r\n"}, nullptr}),
            "<ready>\n<failed backend_unavailable: BYE bored>\n");
}

TEST(BackendLogin, RefusesGreetingsThatAreNoWelcome) {
  for (const auto& [greeting, failure] : std::vector<std::pair<std::string, std::string>>{
           {"* PREAUTH hi\r\n", "backend_greeting: greeting: PREAUTH hi"},
           {"* BYE go away\r\n", "backend_greeting: greeting: BYE go away"},
           {"* BYE [UNAVAILABLE] later\r\n",
            "backend_unavailable: greeting: BYE [UNAVAILABLE] later"},
           {"* NO no\r\n", "backend_greeting: greeting: NO no"},
           {"* BAD no\r\n", "backend_greeting: greeting: BAD no"},
           {"* CAPABILITY IMAP4rev1\r\n", "backend_greeting: no IMAP: * CAPABILITY IMAP4rev1"},
           {"+OK POP3 ready\r\n", "backend_greeting: no IMAP: +OK POP3 ready"},
           {"220 mx ESMTP\r\n", "backend_greeting: no IMAP: 220 mx ESMTP"},
           {"HTTP/1.1 400 Bad Request\r\n", "backend_greeting: no IMAP: HTTP/1.1 400 Bad Request"},
           {"SSH-2.0-x\r\n", "backend_greeting: no IMAP: SSH-2.0-x"},
           {"+ hi\r\n", "backend_greeting: no IMAP: + hi"},
           {"\r\n", "backend_greeting: no IMAP: "},
           {"\x15\x03\x01\n", "backend_greeting: no IMAP: \\x15\\x03\\x01"},
       }) {
    EXPECT_EQ(run(greeting), "<failed " + failure + ">\n") << greeting;
  }
  EXPECT_EQ(run("* ok [capability IMAP4rev1]\n" + kOk), "L LOGIN \"alice\" \"secret\"\r\n" + kIn);
}

TEST(BackendLogin, StartsTlsAndAsksAgainWhatItLearnedInTheClear) {
  const std::string secure = "* CAPABILITY IMAP4rev1 LITERAL+\r\nC OK done\r\n";
  EXPECT_EQ(
      play_in_every_cut(
          {{true},
           {"* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] hi\r\nS OK go\r\nL OK evil\r\n",
            secure, kOk},
           nameless()}),
      "S STARTTLS\r\n<starttls>\nC CAPABILITY\r\nL LOGIN \"alice\" \"secret\"\r\n" + kIn);
  EXPECT_EQ(
      play_in_every_cut(
          {{true},
           {"* OK hi\r\n* CAPABILITY IMAP4rev1 STARTTLS\r\nC OK done\r\nS OK\r\n", secure, kOk},
           nameless(),
           false}),
      "C CAPABILITY\r\nS STARTTLS\r\n<starttls>\nC CAPABILITY\r\n<ready>\n"
      "L LOGIN \"alice\" \"secret\"\r\n" +
          kIn);
}

TEST(BackendLogin, NeverLogsInInTheClearWhenStartTlsIsWanted) {
  const auto starttls = [](std::string sent) {
    return play_in_every_cut({{true}, {std::move(sent)}, nameless()});
  };
  EXPECT_EQ(starttls(kGreeting), "<failed backend_misconfigured: no STARTTLS>\n");
  EXPECT_EQ(starttls("* OK hi\r\n* CAPABILITY IMAP4rev1\r\nC OK done\r\n"),
            "C CAPABILITY\r\n<failed backend_misconfigured: no STARTTLS>\n");
  EXPECT_EQ(starttls("* OK [CAPABILITY STARTTLS] hi\r\nS NO no\r\n"),
            "S STARTTLS\r\n<failed backend_misconfigured: to STARTTLS: NO no>\n");
  EXPECT_EQ(starttls("* OK [CAPABILITY STARTTLS] hi\r\nS BAD no\r\n"),
            "S STARTTLS\r\n<failed backend_misconfigured: to STARTTLS: BAD no>\n");
}

TEST(BackendLogin, SendsAsLiteralsWhatDoesNotFitQuotes) {
  const std::string in = "pässwörd";  // 10 bytes
  EXPECT_EQ(run(kGreeting + kOk, nameless("alice", in)),
            "L LOGIN \"alice\" {10+}\r\n" + in + "\r\n" + kIn);
  EXPECT_EQ(run("* OK [CAPABILITY LITERAL-] hi\r\n" + kOk, nameless("ä", in)),
            "L LOGIN {2+}\r\nä {10+}\r\n" + in + "\r\n" + kIn);
  EXPECT_EQ(run(kGreeting + kOk, nameless("al\"ice", "a\\b c")),
            "L LOGIN \"al\\\"ice\" \"a\\\\b c\"\r\n" + kIn);
}

TEST(BackendLogin, WaitsWithLiteralsWhereItMust) {
  EXPECT_EQ(run("* OK [CAPABILITY IMAP4rev1] hi\r\n+ \r\n+ go\r\n" + kOk, nameless("ä", "ö")),
            "L LOGIN {2}\r\nä {2}\r\nö\r\n" + kIn);
  EXPECT_EQ(run("* OK [CAPABILITY IMAP4rev1] hi\r\n+\r\n" + kOk, nameless("ä", "x")),
            "L LOGIN {2}\r\nä \"x\"\r\n" + kIn);
  const std::string large(4097, 'x');
  EXPECT_EQ(run("* OK [CAPABILITY LITERAL-] hi\r\n+ \r\n" + kOk, nameless("u", large)),
            "L LOGIN \"u\" {4097}\r\n" + large + "\r\n" + kIn);
  // Nothing of the password goes out before it is asked for.
  EXPECT_EQ(run("* OK [CAPABILITY IMAP4rev1] hi\r\n", nameless("u", "ö")), "L LOGIN \"u\" {2}\r\n");
  EXPECT_THAT(
      run("* OK [CAPABILITY IMAP4rev1] hi\r\nL NO [UNAVAILABLE] no\r\n", nameless("u", "ö")),
      EndsWith("<failed backend_unavailable: NO [UNAVAILABLE] no>\n"));
}

TEST(BackendLogin, RefusesToSayMoreThanThereIs) {
  EXPECT_THAT(run(kGreeting + "+ \r\n"),
              EndsWith("<failed backend_protocol: asks for more than there is to send>\n"));
}

TEST(BackendLogin, LogsInForAnotherByAuthenticatePlain) {
  const std::string token = base64_encode(std::string_view("alice\0master\0key", 16));
  EXPECT_EQ(run(kGreeting + kOk, master()), "L AUTHENTICATE PLAIN " + token + "\r\n" + kIn);
  EXPECT_EQ(run("* OK [CAPABILITY AUTH=PLAIN] hi\r\n+ \r\n" + kOk, master()),
            "L AUTHENTICATE PLAIN\r\n" + token + "\r\n" + kIn);
  EXPECT_EQ(run("* OK [CAPABILITY IMAP4rev1] hi\r\n", master()),
            "<failed backend_misconfigured: no AUTH=PLAIN for the master user>\n");
}

TEST(BackendLogin, UsesAuthenticateWhereLoginIsDisabled) {
  const std::string token = base64_encode(std::string_view("\0alice\0secret", 13));
  EXPECT_EQ(run("* OK [CAPABILITY LOGINDISABLED SASL-IR AUTH=PLAIN] hi\r\n" + kOk),
            "L AUTHENTICATE PLAIN " + token + "\r\n" + kIn);
  EXPECT_EQ(run("* OK [CAPABILITY LOGINDISABLED] hi\r\n"),
            "<failed backend_misconfigured: LOGINDISABLED and no AUTH=PLAIN>\n");
}

TEST(BackendLogin, RefusesCredentialsThatCouldEndALine) {
  for (const auto& request : {nameless("a\r\nb"), nameless("a", "b\nc"), nameless(""),
                              nameless(std::string("a\0b", 3))}) {
    EXPECT_EQ(run(kGreeting, request), "<failed internal: credentials that cannot be sent>\n");
  }
  EXPECT_EQ(play_in_every_cut({{}, {kGreeting}, nameless("a\r\nb"), false}),
            "<ready>\n<failed internal: credentials that cannot be sent>\n");
}

TEST(BackendLogin, TellsFailuresApartByTheirCodes) {
  for (const auto& [reply, failure] : std::vector<std::pair<std::string, std::string>>{
           {"NO [AUTHENTICATIONFAILED] Nope", "wrong_credentials"},
           {"NO Nope", "wrong_credentials"},
           {"no [alert] Nope", "wrong_credentials"},
           {"NO [UNAVAILABLE] Nope", "backend_unavailable"},
           {"NO [INUSE] Nope", "backend_unavailable"},
           {"NO [SERVERBUG] Nope", "backend_misconfigured"},
           {"NO [LIMIT] Nope", "backend_limit"},
           {"NO [EXPIRED] Nope", "expired"},
           {"NO [AUTHORIZATIONFAILED] Nope", "authorization_refused"},
           {"NO [CONTACTADMIN] Nope", "account_disabled"},
           {"NO [PRIVACYREQUIRED] Nope", "backend_misconfigured"},
           {"BAD Nope", "backend_protocol"},
           {"BYE Nope", "backend_protocol"},
       }) {
    EXPECT_THAT(run(kGreeting + "L " + reply + "\r\n"), HasSubstr("<failed " + failure + ":"))
        << reply;
  }
}

TEST(BackendLogin, KeepsTheWordsOfABadToItself) {
  EXPECT_THAT(run(kGreeting + "L BAD Unknown: LOGIN \"alice\" \"secret\"\r\n"),
              EndsWith("<failed backend_protocol: BAD to the login>\n"));
}

TEST(BackendLogin, CapturesTheCapabilitiesWhereverTheyCome) {
  const std::string sent = "L LOGIN \"alice\" \"secret\"\r\n";
  EXPECT_EQ(run(kGreeting + "* CAPABILITY A\r\n* CAPABILITY IMAP4rev1  B\r\nL OK In\r\n"),
            sent + "<logged in: IMAP4rev1 B |  | In | >\n<relay ''>\n");
  EXPECT_EQ(run(kGreeting + "* OK [CAPABILITY B] x\r\nL OK [ALERT] Full\r\n"),
            sent + "<logged in: B | ALERT | Full | >\n<relay ''>\n");
  EXPECT_EQ(run(kGreeting + "* CAPABILITY A\r\nL OK [CAPABILITY B] In\r\n"),
            sent + "<logged in: B |  | In | >\n<relay ''>\n");
}

TEST(BackendLogin, AsksForCapabilitiesOnceMoreWhenTheLoginToldNone) {
  EXPECT_EQ(
      run(kGreeting + "L OK [REFERRAL imap://x/] In\r\n* CAPABILITY Z\r\nC OK done\r\n* rest"),
      "L LOGIN \"alice\" \"secret\"\r\nC CAPABILITY\r\n"
      "<logged in: Z | REFERRAL imap://x/ | In | >\n<relay '* rest'>\n");
  EXPECT_EQ(run(kGreeting + "L OK In\r\nC BAD no\r\n"),
            "L LOGIN \"alice\" \"secret\"\r\nC CAPABILITY\r\n"
            "<logged in:  |  | In | >\n<relay ''>\n");
}

TEST(BackendLogin, HandsOverFromRightBehindTheFinalLine) {
  EXPECT_THAT(run(kGreeting + kOk + "* BYE too fast\r\n* 1 EXI"),
              EndsWith("<relay '* BYE too fast\r\n* 1 EXI'>\n"));
}

TEST(BackendLogin, HoldsUntaggedLinesForTheClientWithTheirLiterals) {
  EXPECT_EQ(run(kGreeting + "* OK [ALERT] Full\r\n* ID NIL\r\n* LIST () \"/\" {9}\r\nL OK no\r\n " +
                "{2}\r\nab\r\n* OK text {5}\r\n* X\n" + kOk),
            "L LOGIN \"alice\" \"secret\"\r\n<logged in: IMAP4rev1 IDLE |  | In | "
            "* OK [ALERT] Full\r\n* LIST () \"/\" {9}\r\nL OK no\r\n {2}\r\nab\r\n"
            "* OK text {5}\r\n* X\r\n>\n<relay ''>\n");
}

TEST(BackendLogin, DropsWhatIsMoreThanItHolds) {
  std::string lines;
  for (int i = 0; i < 2000; ++i) {
    lines += "* OK [ALERT] line " + std::to_string(i) + "\r\n";
  }
  const std::string log = test::play({{}, {kGreeting + lines + kOk}, nameless()});
  EXPECT_THAT(log, EndsWith("<relay ''>\n"));
  EXPECT_THAT(log, HasSubstr("line 500\r\n"));
  EXPECT_LT(log.size(), BackendLogin::kMaxUntagged + 200);
  // A literal larger than that is read over, whatever stands in it.
  EXPECT_EQ(run(kGreeting + "* X {20000}\r\n" + std::string(19980, 'x') +
                "\r\nL NO evil\r\n1234567" + " y\r\n* Y\r\n" + kOk),
            "L LOGIN \"alice\" \"secret\"\r\n"
            "<logged in: IMAP4rev1 IDLE |  | In | * Y\r\n>\n<relay ''>\n");
}

TEST(BackendLogin, RefusesLinesWithoutEnd) {
  EXPECT_THAT(run(kGreeting + "* " + std::string(70000, 'x')),
              EndsWith("<failed backend_protocol: response is too long>\n"));
  EXPECT_THAT(run(kGreeting + "* X {99999999999999999999}\r\nx\r\n"),
              EndsWith("<failed backend_protocol: response is too long>\n"));
  EXPECT_EQ(run(std::string(70000, 'x')), "<failed backend_protocol: response is too long>\n");
}

TEST(BackendLogin, RefusesRepliesToNothing) {
  EXPECT_THAT(run(kGreeting + "X OK hm\r\n"), HasSubstr("<failed backend_protocol"));
  EXPECT_THAT(run(kGreeting + "I OK hm\r\n"), HasSubstr("<failed backend_protocol"));
  EXPECT_THAT(run(kGreeting + "garbage\r\n"),
              EndsWith("<failed backend_protocol: no IMAP: garbage>\n"));
  EXPECT_THAT(run(kGreeting + "\r\n"), HasSubstr("<failed backend_protocol"));
}

TEST(BackendLogin, UnderstandsAGoodbyeDuringTheLogin) {
  const test::BackendScript script = {{}, {kGreeting + "* BYE shutting down\r\n"}, nameless()};
  test::BackendPlayer player(script, [](std::size_t) { return 0; });
  EXPECT_EQ(player.play(), "L LOGIN \"alice\" \"secret\"\r\n");
  EXPECT_EQ(player.login().on_closed().failure, dialogue::LoginFailure::kBackendUnavailable);
  EXPECT_THAT(run(kGreeting + "* BYE x\r\nL NO [LIMIT] too many\r\n"),
              HasSubstr("<failed backend_limit"));
  EXPECT_THAT(run(kGreeting + "* BYE x\r\n" + kOk), HasSubstr("<failed backend_unavailable"));
}

TEST(BackendLogin, KnowsWhatASuddenEndMeans) {
  BackendLogin login({});
  EXPECT_EQ(login.on_closed().failure, dialogue::LoginFailure::kBackendGreeting);
  Secret out;
  login.on_bytes(kGreeting, out);
  EXPECT_EQ(login.on_closed().failure, dialogue::LoginFailure::kBackendProtocol);
}

TEST(BackendLogin, NamesItsStateByWhatWasSentAndAnswered) {
  BackendLogin login({});
  Secret out;
  EXPECT_EQ(login.state_name(), "nothing/none");
  login.on_bytes("* OK hi\r\n", out);
  EXPECT_EQ(login.state_name(), "capability/greeting");
  login.on_bytes("* CAPABILITY ID\r\nC OK\r\n", out);
  EXPECT_EQ(login.state_name(), "nothing/capability");
  login.log_in(plain_request(), out);
  EXPECT_EQ(login.state_name(), "id+login/capability");
  login.on_bytes("I OK\r\n", out);
  EXPECT_EQ(login.state_name(), "login/id");
}

}  // namespace
}  // namespace headgate::imap
