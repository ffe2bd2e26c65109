#include "imap/backend_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <variant>

namespace headgate::imap {
namespace {

using dialogue::CheckLevel;
using dialogue::CheckStage;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

dialogue::BackendLoginRequest account() {
  dialogue::BackendLoginRequest request;
  request.user = "probe";
  request.password = Secret("secret");
  request.forward_client = false;
  return request;
}

const std::string kGreeting = "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n";
const std::string kIn = "L OK [CAPABILITY IMAP4rev1] in\r\n";

// What is sent while `in` comes in pieces of `size` bytes, and how it ends.
std::string run(CheckLevel level, std::string_view in, std::size_t size) {
  BackendCheck check(level, false);
  Secret out;
  dialogue::BackendStep step = check.log_in(account(), out);
  while (!in.empty() && std::holds_alternative<dialogue::NoAction>(step.event)) {
    const std::string_view piece = in.substr(0, size);
    step = check.on_bytes(piece, out);
    in.remove_prefix(step.consumed);
    EXPECT_TRUE(step.consumed == piece.size() ||
                !std::holds_alternative<dialogue::NoAction>(step.event));
  }
  std::string log(out.view());
  if (const auto* failed = std::get_if<dialogue::BackendFailed>(&step.event)) {
    return log + "<" + std::string(info(failed->failure).name) + ": " + failed->detail + ">";
  }
  const bool passed = std::holds_alternative<dialogue::BackendLoggedIn>(step.event);
  return log + (passed ? "<passed>" : "<" + std::string(check.state_name()) + ">");
}

// The same in every size of the pieces.
std::string run(CheckLevel level, const std::string& in) {
  const std::string whole = run(level, in, in.size() + 1);
  for (std::size_t size = 1; size < in.size(); ++size) {
    EXPECT_EQ(run(level, in, size), whole) << "pieces of " << size;
  }
  return whole;
}

TEST(BackendCheck, OfTheConnectionAloneSaysNothing) {
  EXPECT_EQ(run(CheckLevel::kConnect, ""), "<passed>");
}

TEST(BackendCheck, OfTheGreetingLogsOutAtOnce) {
  EXPECT_EQ(run(CheckLevel::kGreeting, kGreeting + "* BYE\r\nH OK bye\r\n"),
            "H LOGOUT\r\n<passed>");
  EXPECT_EQ(run(CheckLevel::kGreeting, kGreeting + "H OK bye\r\n"), "H LOGOUT\r\n<passed>");
}

TEST(BackendCheck, OfTheGreetingFailsWithTheGreeting) {
  EXPECT_THAT(run(CheckLevel::kGreeting, "* BYE full\r\n"), StartsWith("<backend_greeting"));
  EXPECT_THAT(run(CheckLevel::kGreeting, "* NO [UNAVAILABLE] later\r\n"),
              StartsWith("<backend_unavailable"));
  EXPECT_THAT(run(CheckLevel::kGreeting, "220 mail ESMTP\r\n"), StartsWith("<backend_greeting"));
  EXPECT_EQ(run(CheckLevel::kGreeting, "* OK"), "<nothing/none>");
}

TEST(BackendCheck, OfTheLoginLogsInAndOut) {
  EXPECT_EQ(run(CheckLevel::kLogin, kGreeting + kIn + "* BYE\r\nH OK bye\r\n"),
            "L LOGIN \"probe\" \"secret\"\r\nH LOGOUT\r\n<passed>");
}

TEST(BackendCheck, OfTheLoginFailsWithTheLogin) {
  EXPECT_THAT(run(CheckLevel::kLogin, kGreeting + "L NO [AUTHENTICATIONFAILED] no\r\n"),
              HasSubstr("<wrong_credentials"));
  EXPECT_THAT(run(CheckLevel::kLogin, kGreeting + "L NO [UNAVAILABLE] later\r\n"),
              HasSubstr("<backend_unavailable"));
}

TEST(BackendCheck, OfTheMailboxReadsAMessageOfIt) {
  EXPECT_EQ(run(CheckLevel::kMailbox, kGreeting + kIn +
                                          "* FLAGS ()\r\n* 3 EXISTS\r\nH OK [READ-WRITE] in\r\n"
                                          "* 3 FETCH (UID 9 BODY[HEADER.FIELDS (SUBJECT)] "
                                          "{15}\r\nSubject: H OK\r\n)\r\nH OK done\r\n"
                                          "H OK done\r\n* BYE\r\n"),
            "L LOGIN \"probe\" \"secret\"\r\nH SELECT INBOX\r\n"
            "H FETCH * (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])\r\nH NOOP\r\nH LOGOUT\r\n"
            "<passed>");
}

TEST(BackendCheck, OfAnEmptyMailboxFetchesNothing) {
  EXPECT_EQ(run(CheckLevel::kMailbox,
                kGreeting + kIn + "* 0 EXISTS\r\nH OK in\r\nH OK done\r\nH OK bye\r\n"),
            "L LOGIN \"probe\" \"secret\"\r\nH SELECT INBOX\r\nH NOOP\r\nH LOGOUT\r\n<passed>");
}

TEST(BackendCheck, OfTheMailboxFailsWithTheMailbox) {
  const std::string in = kGreeting + kIn;
  EXPECT_THAT(run(CheckLevel::kMailbox, in + "H NO [SERVERBUG] index is broken\r\n"),
              EndsWith("<backend_unavailable: to select: H NO [SERVERBUG] index is broken>"));
  EXPECT_THAT(run(CheckLevel::kMailbox, in + "* 1 EXISTS\r\nH OK in\r\nH NO store is away\r\n"),
              EndsWith("<backend_unavailable: to fetch: H NO store is away>"));
  EXPECT_THAT(run(CheckLevel::kMailbox, in + "* BYE killed\r\n"),
              EndsWith("<backend_unavailable: * BYE killed>"));
  EXPECT_THAT(run(CheckLevel::kMailbox, in + "X OK what\r\n"),
              EndsWith("<backend_protocol: no reply to what was sent>"));
  EXPECT_THAT(run(CheckLevel::kMailbox, in + "H OK in\r\n"), EndsWith("H NOOP\r\n<noop>"));
}

TEST(BackendCheck, NamesTheStageItIsAt) {
  BackendCheck check(CheckLevel::kMailbox, false);
  Secret out;
  check.log_in(account(), out);
  EXPECT_EQ(check.stage(), CheckStage::kGreeting);
  check.on_bytes(kGreeting, out);
  EXPECT_EQ(check.stage(), CheckStage::kLogin);
  check.on_bytes(kIn, out);
  EXPECT_EQ(check.stage(), CheckStage::kMailbox);
  EXPECT_EQ(check.on_closed().detail, "closed in state select");
}

TEST(BackendCheck, TakesTheAccountAfterTheGreetingToo) {
  BackendCheck check(CheckLevel::kLogin, false);
  Secret out;
  EXPECT_TRUE(std::holds_alternative<dialogue::NoAction>(check.on_bytes(kGreeting, out).event));
  EXPECT_TRUE(out.empty());
  check.log_in(account(), out);
  EXPECT_EQ(out.view(), "L LOGIN \"probe\" \"secret\"\r\n");
}

TEST(BackendCheck, AsksForTlsFirstWhereThePoolWantsIt) {
  BackendCheck check(CheckLevel::kGreeting, true);
  Secret out;
  check.log_in(account(), out);
  check.on_bytes("* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n", out);
  EXPECT_EQ(out.view(), "S STARTTLS\r\n");
  const auto step = check.on_bytes("S OK go\r\n", out);
  EXPECT_TRUE(std::holds_alternative<dialogue::StartTls>(step.event));
  out.clear();
  check.on_tls_established(out);
  check.on_bytes("* CAPABILITY IMAP4rev1\r\nC OK done\r\n", out);
  EXPECT_EQ(out.view(), "C CAPABILITY\r\nH LOGOUT\r\n");
}

}  // namespace
}  // namespace headgate::imap
