#include "commands/operate_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "commands/table.h"

namespace headgate::commands {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(Table, columns_line_up_and_numbers_end_at_the_right) {
  Table table({"NAME", ">COUNT", "LAST"});
  table.add({"a", "5", "x"});
  table.add({"jürgen", "1234567", ""});
  EXPECT_EQ(table.text(),
            "NAME      COUNT  LAST\n"
            "a             5  x\n"
            "jürgen  1234567\n");
}

TEST(Table, what_a_terminal_would_obey_is_made_printable) {
  Table table({"NAME"});
  table.add({"a\x1B[2Jb"});
  EXPECT_EQ(table.text().find('\x1B'), std::string::npos);
}

TEST(OperateText, status_says_which_backends_dns_names_and_why_there_is_no_new_answer) {
  const json srv = {{"name", "_imap._tcp.example.org"},
                    {"answered", 1},
                    {"failure", "there is no such name"},
                    {"left_out", {"a.example.org:0: port 0"}}};
  const json status = {{"pools",
                        {{{"name", "listed"}, {"backends", 9}, {"srv", nullptr}},
                         {{"name", "main"}, {"backends", 2}, {"srv", srv}}}}};
  const std::string text = status_text(status);
  EXPECT_THAT(text, HasSubstr("pool main: 2 backends by SRV _imap._tcp.example.org; no new answer: "
                              "there is no such name; 1 targets left out\n"));
  EXPECT_THAT(text, testing::Not(HasSubstr("listed")));
}

TEST(OperateText, pools_stand_with_how_even_their_load_is) {
  const json srv = {
      {"name", "_imap._tcp.example.org"}, {"failure", ""}, {"left_out", {"a: port 0"}}};
  const json main = {{"name", "main"},
                     {"policy", "user_hash"},
                     {"up", 3},
                     {"down", 1},
                     {"drained", 2},
                     {"sessions", 400},
                     {"max_sessions", 0},
                     {"waiting", 5},
                     {"held", 6},
                     {"load_spread", 1.043},
                     {"weight_away", 0.25},
                     {"srv", srv}};
  const json empty = {{"name", "empty"},
                      {"max_sessions", 9},
                      {"load_spread", nullptr},
                      {"srv", {{"failure", "no such name"}}}};
  const std::string text = pools_text({{"pools", {main, empty}}});
  EXPECT_THAT(
      text,
      testing::MatchesRegex(
          "POOL .* UP  DOWN  DRAINED  SESSIONS  LIMIT  WAITING  HELD  SPREAD  AWAY  SRV\n"
          "main   user_hash   3     1        2       400   none        5     6    1.04  25 %  "
          "answered, 1 left out\n"
          "empty .* 9 .* no such name\n"));
  EXPECT_EQ(pools_text({{"pools", json::array()}}), "no pools\n");
}

TEST(OperateText, sessions_stand_in_the_order_of_their_users) {
  const json page = {{"sessions",
                      {{{"session", "2"}, {"user", "bob"}, {"age_s", 3700.5}, {"idle_s", 65}},
                       {{"session", "1"}, {"user", "alice"}, {"age_s", 5}, {"idle_s", 200'000}}}},
                     {"next", "2"}};
  const std::string text = sessions_text(page);
  EXPECT_LT(text.find("alice"), text.find("bob"));
  EXPECT_THAT(text, HasSubstr("1h 1m"));
  EXPECT_THAT(text, HasSubstr("2d 7h"));
  EXPECT_THAT(text, HasSubstr("there are more"));
  EXPECT_EQ(sessions_text({{"sessions", json::array()}, {"next", nullptr}}), "no sessions\n");
}

TEST(OperateText, a_change_shows_the_backend_and_what_to_know) {
  const json changed = {{"pool", "main"},
                        {"backend", "mail1:143"},
                        {"service", "moving"},
                        {"up", true},
                        {"weight", 50},
                        {"configured_weight", 100},
                        {"sessions", 300},
                        {"failures", 0},
                        {"order", {{"by", "alice"}, {"left_s", 60}}},
                        {"warning", "it ends with the process"}};
  const std::string text = changed_text(changed);
  EXPECT_THAT(text, HasSubstr("moving"));
  EXPECT_THAT(text, HasSubstr("50 (100)"));
  EXPECT_THAT(text, HasSubstr("by alice, about 1m 0s left"));
  EXPECT_THAT(text, HasSubstr("note: it ends with the process\n"));
}

TEST(OperateText, answers_of_another_version_are_no_trouble) {
  for (const json& answer : {json::object(), json{{"sessions", 7}, {"backends", "x"}},
                             json{{"order", 1}, {"up", "yes"}, {"config", json::array()}}}) {
    EXPECT_FALSE(status_text(answer).empty());
    EXPECT_FALSE(pools_text(answer).empty());
    EXPECT_FALSE(sessions_text(answer).empty());
    EXPECT_FALSE(kicked_text(answer).empty());
    EXPECT_FALSE(changed_text(answer).empty());
  }
}

}  // namespace
}  // namespace headgate::commands
