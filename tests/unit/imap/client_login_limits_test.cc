// What a client may not do, and how much of what it may.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "client_script.h"
#include "imap/client_login.h"

namespace headgate::imap {
namespace {

using dialogue::BackendWelcome;
using dialogue::Limit;
using test::ClientScript;
using test::play_in_every_cut;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

const BackendWelcome kWelcome = {"IMAP4rev1 IDLE", "", "Logged in", ""};

// What happens after the greeting of a listener with TLS.
std::string after_greeting(std::string sent, std::vector<test::Answer> answers = {},
                           ClientLoginOptions options = {}) {
  const std::size_t greeting = ClientLoginProfile(options).greeting().size();
  return play_in_every_cut({std::move(options), {std::move(sent)}, std::move(answers)})
      .substr(greeting);
}

std::string bytes(std::string_view text) {
  return std::string(text);
}

TEST(ClientLoginLimits, TakesTheLargestIdOfTheRfcAndNoOtherLineOfThatLength) {
  ClientLoginOptions roomy;
  roomy.max_total = 1024 * 1024;
  std::string list;
  for (int i = 0; i < 30; ++i) {
    list += (list.empty() ? "\"" : " \"") + std::string(28, 'k') + std::to_string(10 + i) +
            "\" \"" + std::string(1024, 'v') + "\"";
  }
  EXPECT_EQ(after_greeting("a ID (" + list + ")\r\n"),
            "* ID (\"name\" \"Headgate\")\r\na OK ID completed.\r\n");
  EXPECT_EQ(after_greeting("a IDLE (" + list + ")\r\nb NOOP\r\n"),
            "a BAD Line is too long.\r\nb OK NOOP completed.\r\n");
  EXPECT_EQ(after_greeting("a ID (" + list + list + ")\r\nb NOOP\r\n", {}, roomy),
            "a BAD Line is too long.\r\nb OK NOOP completed.\r\n");
}

TEST(ClientLoginLimits, RefusesEveryBadLineAndStaysInStep) {
  ClientLoginOptions options;
  options.max_bad_commands = 0;
  for (const auto& [sent, reply] : std::vector<std::pair<std::string, std::string>>{
           {"\r\n", "* BAD Syntax error.\r\n"},
           {"a\r\n", "a BAD Syntax error.\r\n"},
           {"a \r\n", "a BAD Syntax error.\r\n"},
           {"a  NOOP\r\n", "a BAD Syntax error.\r\n"},
           {" NOOP\r\n", "* BAD Syntax error.\r\n"},
           {"+ NOOP\r\n", "* BAD Syntax error.\r\n"},
           {"a+b NOOP\r\n", "* BAD Syntax error.\r\n"},
           {"* NOOP\r\n", "* BAD Syntax error.\r\n"},
           {"a{ NOOP\r\n", "* BAD Syntax error.\r\n"},
           {"a\x80 NOOP\r\n", "* BAD Syntax error.\r\n"},
           {"\xc3\xa4 NOOP\r\n", "* BAD Syntax error.\r\n"},
           {"a N\xc3\xb6OP\r\n", "a BAD Syntax error.\r\n"},
           {bytes({"a NO\0OP\r\n", 9}), "a BAD Syntax error.\r\n"},
           {bytes({"\0 NOOP\r\n", 8}), "* BAD Syntax error.\r\n"},
           {bytes({"a NOOP \0\r\n", 10}), "a BAD Command takes no arguments.\r\n"},
           {"a NOOP\n", "a BAD Lines must end in CRLF.\r\n"},
           {"\n", "* BAD Lines must end in CRLF.\r\n"},
           {"a NOOP\r\r\n", "a BAD Syntax error.\r\n"},
           {"a\rb NOOP\r\n", "* BAD Syntax error.\r\n"},
           {"a NOOP x\r\n", "a BAD Command takes no arguments.\r\n"},
           {"a NOOP \r\n", "a BAD Command takes no arguments.\r\n"},
           {"a LOGOUT now\r\n", "a BAD Command takes no arguments.\r\n"},
           {"a SELECT INBOX\r\n", "a BAD Unknown command, or not allowed before login.\r\n"},
           {std::string(126, 't') + " NOOP\r\n", std::string(126, 't') + " OK NOOP completed.\r\n"},
           {std::string(127, 't') + " NOOP\r\n", "* BAD Syntax error.\r\n"},
           {std::string(1000, 't') + " NOOP\r\n", "* BAD Syntax error.\r\n"},
           {"a LOGIN\r\n", "a BAD LOGIN takes a user name and a password.\r\n"},
           {"a LOGIN alice\r\n", "a BAD LOGIN takes a user name and a password.\r\n"},
           {"a LOGIN alice \r\n", "a BAD LOGIN takes a user name and a password.\r\n"},
           {"a LOGIN alice secret x\r\n", "a BAD LOGIN takes a user name and a password.\r\n"},
           {"a LOGIN alice  secret\r\n", "a BAD LOGIN takes a user name and a password.\r\n"},
           {"a LOGIN alice \"sec\r\n", "a BAD LOGIN takes a user name and a password.\r\n"},
           {"a LOGIN alice \"s\\ec\"\r\n", "a BAD LOGIN takes a user name and a password.\r\n"},
           {"a LOGIN alice \"sec\\\"\r\n", "a BAD LOGIN takes a user name and a password.\r\n"},
           {"a LOGIN alice \"s\"ec\r\n", "a BAD LOGIN takes a user name and a password.\r\n"},
           {"a LOGIN alice p\xc3\xa4ss\r\n", "a BAD LOGIN takes a user name and a password.\r\n"},
           {"a LOGIN (alice) secret\r\n", "a BAD LOGIN takes a user name and a password.\r\n"},
           {bytes({"a LOGIN alice \"s\0c\"\r\n", 21}),
            "a BAD LOGIN takes a user name and a password.\r\n"},
           {bytes({"a LOGIN alice {3+}\r\ns\0c\r\n", 25}),
            "a BAD LOGIN takes a user name and a password.\r\n"},
           {"a LOGIN alice {6+}\r\nsecretx\r\n",
            "a BAD LOGIN takes a user name and a password.\r\n"},
           {"a LOGIN alice{3+}\r\nabc\r\n", "a BAD No literal is allowed here.\r\n"},
           {"a NOOP {3+}\r\nabc\r\n", "a BAD No literal is allowed here.\r\n"},
           {"a NOOP {3}\r\n", "a BAD No literal is allowed here.\r\n"},
           {"a {3+}\r\nabc\r\n", "a BAD Syntax error.\r\n"},
           {"{3+}\r\nabc\r\n", "* BAD Syntax error.\r\n"},
           {"a LOGIN {3+}\nabc x\r\n", "a BAD Lines must end in CRLF.\r\n"},
           {"a LOGIN {3+}\r\nabc x\n", "a BAD Lines must end in CRLF.\r\n"},
           {"a LOGIN x y {3+}\r\nabc {3+}\r\ndef {4}\r\n", "a BAD No literal is allowed here.\r\n"},
           {"a ENABLE\r\n", "a BAD ENABLE takes a list of capabilities.\r\n"},
           {"a ENABLE \r\n", "a BAD ENABLE takes a list of capabilities.\r\n"},
           {"a ENABLE (X)\r\n", "a BAD ENABLE takes a list of capabilities.\r\n"},
           {"a ID\r\n", "a BAD Invalid ID parameters.\r\n"},
           {"a ID (\"name\")\r\n", "a BAD Invalid ID parameters.\r\n"},
           {"a AUTHENTICATE (X)\r\n", "a BAD AUTHENTICATE takes a mechanism.\r\n"},
           {"a AUTHENTICATE PLAIN\r\nAGFs\n", "+ \r\na BAD Lines must end in CRLF.\r\n"},
       }) {
    EXPECT_EQ(after_greeting(sent + "z NOOP\r\n", {}, options), reply + "z OK NOOP completed.\r\n")
        << sent;
  }
}

TEST(ClientLoginLimits, EndsAfterTheThirdBadCommand) {
  EXPECT_EQ(after_greeting("a X\r\nb NOOP\r\nb Y\r\nc LOGIN {1}\r\nx y z\r\nd NOOP\r\n"),
            "a BAD Unknown command, or not allowed before login.\r\n"
            "b OK NOOP completed.\r\n"
            "b BAD Unknown command, or not allowed before login.\r\n"
            "+ OK\r\n"
            "c BAD LOGIN takes a user name and a password.\r\n"
            "* BYE Too many invalid commands.\r\n<close client_protocol>\n");
}

TEST(ClientLoginLimits, BearsVeryDeepAndVeryLongIds) {
  ClientLoginOptions options;
  options.max_line = 200000;
  options.max_total = 1000000;
  EXPECT_EQ(after_greeting("a ID " + std::string(100000, '(') + "\r\nb NOOP\r\n", {}, options),
            "a BAD Invalid ID parameters.\r\nb OK NOOP completed.\r\n");
  std::string fields;
  for (int i = 0; i < 1000; ++i) {
    fields += " \"k\" \"v\"";
  }
  EXPECT_EQ(after_greeting("a ID (" + fields.substr(1) + ")\r\nb NOOP\r\n", {}, options),
            "a BAD Invalid ID parameters.\r\nb OK NOOP completed.\r\n");
}

TEST(ClientLoginLimits, LearnsWhatTheClientSaysAboutItself) {
  const ClientScript script = {
      {}, {"a ID (\"name\" {3+}\r\nOut \"os\" NIL \"version\" \"1.0\")\r\n"}, {}};
  test::ClientPlayer player(script, [](std::size_t) { return 3; });
  EXPECT_THAT(player.play(), EndsWith("a OK ID completed.\r\n"));
  ASSERT_EQ(player.login().client_id().size(), 3U);
  EXPECT_EQ(player.login().client_id()[0].key, "name");
  EXPECT_EQ(player.login().client_id()[0].value, "Out");
  EXPECT_TRUE(player.login().client_id()[1].nil);
  EXPECT_EQ(player.login().client_id()[2].value, "1.0");
}

TEST(ClientLoginLimits, RefusesALineBeyondItsLimitAndForgetsIt) {
  ClientLoginOptions options;
  options.max_line = 100;
  const std::string fits = "a LOGIN u " + std::string(90, 'x');
  ASSERT_EQ(fits.size(), 100U);
  EXPECT_THAT(after_greeting(fits + "\r\n", {kWelcome}, options), HasSubstr("<authenticate"));
  EXPECT_EQ(after_greeting(fits + "x\r\nb NOOP\r\n", {}, options),
            "a BAD Line is too long.\r\nb OK NOOP completed.\r\n");
  EXPECT_EQ(after_greeting(fits + "x\nb NOOP\r\n", {}, options),
            "a BAD Line is too long.\r\nb OK NOOP completed.\r\n");
  EXPECT_EQ(after_greeting(fits + std::string(5000, 'x') + "\r\nb NOOP\r\n", {}, options),
            "a BAD Line is too long.\r\nb OK NOOP completed.\r\n");
  // A line that is not kept may still announce bytes that must not be taken for commands.
  EXPECT_EQ(after_greeting(fits + " {9+}\r\nx LOGOUT\r {3}\r\nb NOOP\r\n", {}, options),
            "a BAD Line is too long.\r\nb OK NOOP completed.\r\n");
  // The limit holds for a command's lines together.
  EXPECT_EQ(
      after_greeting("a LOGIN {1+}\r\nu " + std::string(90, 'x') + "\r\nb NOOP\r\n", {}, options),
      "a BAD Line is too long.\r\nb OK NOOP completed.\r\n");
  EXPECT_EQ(after_greeting("a AUTHENTICATE PLAIN\r\n" + std::string(101, 'A') + "\r\nb NOOP\r\n",
                           {}, options),
            "+ \r\na BAD Line is too long.\r\nb OK NOOP completed.\r\n");
}

TEST(ClientLoginLimits, RefusesALiteralBeyondItsLimitAndStaysInStep) {
  ClientLoginOptions options;
  options.max_literal = 10;
  EXPECT_EQ(
      after_greeting("a LOGIN u {11+}\r\n" + std::string(11, 'x') + "\r\nb NOOP\r\n", {}, options),
      "a BAD [TOOBIG] Literal is too large.\r\nb OK NOOP completed.\r\n");
  EXPECT_EQ(after_greeting("a LOGIN u {11}\r\nb NOOP\r\n", {}, options),
            "a BAD [TOOBIG] Literal is too large.\r\nb OK NOOP completed.\r\n");
  for (const std::string size :
       {"4294967296", "18446744073709551616", "123456789012345678901234567890"}) {
    EXPECT_EQ(after_greeting("a LOGIN {" + size + "}\r\nb NOOP\r\n", {}, options),
              "a BAD [TOOBIG] Literal is too large.\r\nb OK NOOP completed.\r\n");
    EXPECT_EQ(after_greeting("a LOGIN {" + size + "+}\r\nb NOOP\r\n", {}, options),
              "a BAD [TOOBIG] Literal is too large.\r\n"
              "* BYE Too much data before login.\r\n<close login_too_large>\n");
  }
}

TEST(ClientLoginLimits, EndsWhenTheBytesBeforeLoginAreUsedUp) {
  ClientLoginOptions options;
  options.max_total = 100;
  std::string sent;
  while (sent.size() < 96) {
    sent += "a NOOP\r\n";
  }
  ASSERT_EQ(sent.size(), 96U);
  EXPECT_THAT(after_greeting(sent + "xxxx", {}, options), Not(HasSubstr("BYE")));
  EXPECT_THAT(after_greeting(sent + "xxxxx", {}, options),
              EndsWith("* BYE Too much data before login.\r\n<close login_too_large>\n"));
}

TEST(ClientLoginLimits, CountsWhichLimitsItHit) {
  ClientLoginOptions options;
  options.max_line = 50;
  options.max_literal = 5;
  options.max_total = 300;
  options.max_bad_commands = 4;
  const ClientScript script = {options,
                               {"a LOGIN {6}\r\nb LOGIN {6+}\r\nalicia x\r\n" +
                                std::string(60, 'x') + "\r\nc X\r\nd NOOP\r\n"},
                               {}};
  test::ClientPlayer player(script, [](std::size_t) { return 0; });
  EXPECT_THAT(player.play(), EndsWith("<close client_protocol>\n"));
  EXPECT_EQ(player.login().limit_hits().count(Limit::kLiteral), 2U);
  EXPECT_EQ(player.login().limit_hits().count(Limit::kLine), 1U);
  EXPECT_EQ(player.login().limit_hits().count(Limit::kBadCommands), 1U);
  EXPECT_EQ(player.login().limit_hits().count(Limit::kTotalBytes), 0U);
  EXPECT_EQ(player.login().bad_commands(), 4U);
}

}  // namespace
}  // namespace headgate::imap
