#include "imap/farewell.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace headgate::imap {
namespace {

using dialogue::CloseReason;

// Tails of streams that were longer; "…|" is where they begin in the cases below.
bool may_speak(std::string_view to_backend, std::string_view to_client) {
  return between_responses({to_backend, false}, {to_client, false});
}

struct Case {
  std::string_view name;
  std::string_view to_backend;
  std::string_view to_client;
  bool speaks;
};

constexpr Case kCases[] = {
    {"a_completed_command", "OOP\r\na8 NOOP\r\n", "ed.\r\na8 OK Done.\r\n", true},
    {"a_command_that_was_refused", "\r\na8 SELECT x\r\n", "\r\na8 NO [NONEXISTENT] No.\r\n", true},
    {"a_completion_of_an_earlier_command", "\r\na8 NOOP\r\na9 NOOP\r\n", "\r\na8 OK Done.\r\n",
     false},
    {"a_command_under_way", "\r\na9 FETCH 1 BODY[]\r\n", "\r\n* 1 EXISTS\r\n", false},
    {"a_line_in_a_literal", "\r\na9 FETCH 1 BODY[]\r\n", "\r\nDear Bob,\r\n", false},
    {"half_a_line", "\r\na8 NOOP\r\n", "\r\na8 OK Do", false},
    {"a_completion_whose_start_is_not_known", "\r\na8 NOOP\r\n", "a8 OK Done.\r\n", false},
    {"a_command_whose_start_is_not_known", "a8 NOOP\r\n", "\r\na8 OK Done.\r\n", false},
    {"half_a_command", "\r\na8 NOOP\r\na9 NO", "\r\na8 OK Done.\r\n", false},
    {"a_command_that_ends_in_a_literal", "\r\na8 LOGIN {1}\r\nx {1}\r\ny\r\n", "\r\na8 OK in\r\n",
     false},
    {"an_idle_that_has_begun", "\r\na8 IDLE\r\n", "\r\na7 OK Done.\r\n+ idling\r\n", true},
    {"an_idle_in_small_letters", "\r\na8 idle\r\n", "\r\na7 OK Done.\r\n+ idling\r\n", true},
    {"an_idle_that_is_not_answered_yet", "\r\na8 IDLE\r\n", "\r\na7 OK Done.\r\n", true},
    {"news_in_an_idle", "\r\na8 IDLE\r\n", "idl\r\n* 5 EXISTS\r\n* 4 FETCH (FLAGS (\\Seen))\r\n",
     true},
    {"a_server_that_says_it_is_there", "\r\na8 IDLE\r\n", "re\r\n* OK Still here\r\n", true},
    {"half_of_the_news", "\r\na8 IDLE\r\n", "\r\n+ idling\r\n* 5 EXI", false},
    {"a_literal_announced_in_an_idle", "\r\na8 IDLE\r\n", "\r\n* LIST () \"/\" {3}\r\n", false},
    {"a_literal_in_an_idle", "\r\na8 IDLE\r\n", "\r\n* LIST () \"/\" {9}\r\na\r\n", false},
    {"a_message_asked_for_before_the_idle", "\r\na8 IDLE\r\n", "\r\nDear Bob,\r\n", false},
    {"a_list_in_such_a_message", "\r\na8 IDLE\r\n", "\r\n* milk\r\n* eggs\r\n", false},
    {"a_patch_in_such_a_message", "\r\na8 IDLE\r\n", "\r\n+ one\r\n+ two\r\n", false},
    {"news_whose_start_is_not_known", "\r\na8 IDLE\r\n", "* 5 EXISTS\r\n", false},
    {"an_idle_that_is_over", "\r\na8 IDLE\r\nDONE\r\n", "\r\n+ idling\r\na8 OK Done.\r\n", true},
    {"an_idle_that_is_not_over_yet", "\r\na8 IDLE\r\nDONE\r\n", "\r\n+ idling\r\n", false},
    {"done_behind_something_else", "\r\na8 NOOP\r\nDONE\r\n", "\r\na8 OK Done.\r\n", false},
    {"the_end_of_an_upload_that_looks_like_an_idle", "\r\nI am in IDLE\r\n", "\r\n+ go on\r\n",
     false},
    {"lines_without_carriage_returns", "\na8 NOOP\n", "\na8 OK Done.\n", false},
    {"nothing", "", "", false},
    {"line_ends_alone", "\r\n\r\n", "\r\n\r\n", false},
    {"spaces_alone", "\r\n \r\n", "\r\n \r\n", false},
};

class Farewell : public testing::TestWithParam<Case> {};

TEST_P(Farewell, follows_whole_responses_alone) {
  const Case& one = GetParam();
  EXPECT_EQ(may_speak(one.to_backend, one.to_client), one.speaks);
}

INSTANTIATE_TEST_SUITE_P(Behind, Farewell, testing::ValuesIn(kCases),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(FarewellTest, the_beginning_of_a_stream_is_the_beginning_of_a_line) {
  EXPECT_TRUE(between_responses({"a1 NOOP\r\n", true}, {"a1 OK Done.\r\n", true}));
  EXPECT_FALSE(between_responses({"a1 NOOP\r\n", true}, {"a1 OK Done.\r\n", false}));
  EXPECT_FALSE(between_responses({"a1 NOOP\r\n", false}, {"a1 OK Done.\r\n", true}));
}

TEST(FarewellTest, who_has_asked_for_nothing_since_the_login_hears_nothing_but_lines) {
  EXPECT_TRUE(between_responses({"", true}, {"ities] Logged in\r\n", false}));
  EXPECT_FALSE(between_responses({"", true}, {"ities] Logg", false}));
  EXPECT_FALSE(between_responses({"", false}, {"ities] Logged in\r\n", false}));
}

// Whatever the cut, nothing is said inside a response with a literal in it.
TEST(FarewellTest, nowhere_in_a_message_that_was_asked_for) {
  const std::string asked = "\r\na8 UID FETCH 7 BODY[]\r\n";
  const std::string before = "\r\na7 OK Done.\r\n";
  const std::string response =
      "* 5 FETCH (UID 7 BODY[] {58}\r\n* 4 EXISTS\r\n+ idling\r\na7 OK Done.\r\nSubject: a8 "
      "OK\r\n\r\nhi\r\n)\r\n";
  for (std::size_t cut = 1; cut <= response.size(); ++cut) {
    EXPECT_FALSE(may_speak(asked, before + response.substr(0, cut))) << cut;
  }
  EXPECT_TRUE(may_speak(asked, before + response + "a8 OK Done.\r\n"));
}

TEST(FarewellTest, a_session_hears_why_it_ends) {
  EXPECT_EQ(established_farewell(CloseReason::kKicked),
            "* BYE [UNAVAILABLE] Disconnected by the administrator.\r\n");
  EXPECT_EQ(established_farewell(CloseReason::kIdleTimeout),
            "* BYE Disconnected for inactivity.\r\n");
  EXPECT_EQ(established_farewell(CloseReason::kStalledTimeout), "");
  EXPECT_EQ(established_farewell(CloseReason::kBackendReset),
            established_farewell(CloseReason::kBackendDown));
  EXPECT_EQ(established_farewell(CloseReason::kClientClosed), "");
}

TEST(FarewellTest, compress_is_known_by_its_end) {
  EXPECT_EQ(kEndOfCompress.size(), 8U);
  EXPECT_TRUE(std::string_view("a8 COMPRESS DEFLATE\r\n").ends_with(kEndOfCompress));
}

TEST(EndAnnounced, BySomebodyWhoSaysBye) {
  const StreamTail noop{.bytes = "\r\na8 NOOP\r\n"};
  EXPECT_TRUE(end_announced(noop, {.bytes = "e.\r\n* BYE Disconnected for inactivity.\r\n"}));
  EXPECT_TRUE(end_announced(noop, {.bytes = "e.\r\n* bye see you\r\n* 5 EXISTS\r\n"}));
  EXPECT_TRUE(end_announced({}, {.bytes = "* BYE x\r\n", .whole = true}));
  EXPECT_FALSE(end_announced(noop, {.bytes = "e.\r\na8 OK Done.\r\n"}));
  EXPECT_FALSE(end_announced(noop, {.bytes = "e.\r\n* 5 EXISTS\r\n"}));
  EXPECT_TRUE(end_announced(noop, {.bytes = "the end of mail* BYE now"}));
  EXPECT_FALSE(end_announced(noop, {.bytes = "* NO bye bye * BY"}));
  EXPECT_FALSE(end_announced({}, {}));
}

TEST(EndAnnounced, ByALogout) {
  const StreamTail done{.bytes = "\r\na8 OK Done.\r\n"};
  EXPECT_TRUE(end_announced({.bytes = "\r\na8 logout\r\n"}, done));
  EXPECT_TRUE(end_announced({.bytes = "a LOGOUT\r\n", .whole = true}, done));
  EXPECT_FALSE(end_announced({.bytes = "\r\na8 NOOP\r\n"}, done));
  EXPECT_FALSE(end_announced({.bytes = "\r\na8 LOGOU"}, done));
}

}  // namespace
}  // namespace headgate::imap
