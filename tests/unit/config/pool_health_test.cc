#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "config/config.h"

namespace headgate::config {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string with_health(const std::string& health, const std::string& pool = "") {
  return "listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
         "pools: {main: {" +
         pool + "backends: [{address: \"b:143\"}], health: {" + health +
         "}}}\n"
         "users: [{source: passwd_file, path: users, pool: main}]\n";
}

std::vector<std::string> errors_of(const std::string& text) {
  std::vector<std::string> lines;
  if (const auto loaded = load_text("t.yaml", text, Files::kIgnore); !loaded) {
    for (const Error& error : loaded.error()) {
      lines.push_back(error.key + ": " + error.expected);
    }
  }
  return lines;
}

TEST(PoolHealth, every_key_reaches_its_member) {
  const auto config = load_text(
      "t.yaml",
      with_health("level: mailbox, user: probe, password: \"12 34\", interval: 10s, "
                  "failed_interval: 500ms, timeout: 1s, rise: 4, fall: 5, slow_start: 2m, "
                  "panic_below: 12.5%, slow: {multiple: 6, above: 700ms, window: 8s, "
                  "least_logins: 9, most_share: 10%}, end_sessions_over: 45s"),
      Files::kIgnore);
  ASSERT_TRUE(config.has_value()) << config.error().front().to_string();
  const Health& health = config->pools.at(0).health.value();
  EXPECT_EQ(health.level, CheckLevel::kMailbox);
  EXPECT_EQ(health.user, "probe");
  EXPECT_TRUE(health.password.equals("12 34"));
  EXPECT_EQ(health.interval, 10s);
  EXPECT_EQ(health.failed_interval, 500ms);
  EXPECT_EQ(health.timeout, 1s);
  EXPECT_EQ(health.rise, 4U);
  EXPECT_EQ(health.fall, 5U);
  EXPECT_EQ(health.slow_start, 2min);
  EXPECT_EQ(health.panic_below, 1250U);
  EXPECT_EQ(health.end_sessions_over, 45s);
  EXPECT_EQ(health.slow->multiple, 6U);
  EXPECT_EQ(health.slow->above, 700ms);
  EXPECT_EQ(health.slow->window, 8s);
  EXPECT_EQ(health.slow->least_logins, 9U);
  EXPECT_EQ(health.slow->most_share, 1000U);
}

TEST(PoolHealth, an_empty_section_checks_greetings) {
  const auto config = load_text("t.yaml", with_health(""), Files::kIgnore);
  ASSERT_TRUE(config.has_value()) << config.error().front().to_string();
  EXPECT_EQ(config->pools.at(0).health.value().level, CheckLevel::kGreeting);
  EXPECT_EQ(name(CheckLevel::kGreeting), "greeting");
}

TEST(PoolHealth, bad_values_have_clear_errors) {
  EXPECT_THAT(errors_of(with_health("level: deep")),
              ElementsAre("pools.main.health.level: one of connect, greeting, login, mailbox, "
                          "found 'deep'"));
  EXPECT_THAT(errors_of(with_health("interval: 5, rise: 0, panic_below: 101%")),
              ElementsAre(HasSubstr("pools.main.health.interval: a duration"),
                          HasSubstr("pools.main.health.rise: a whole number from 1 to 100"),
                          HasSubstr("pools.main.health.panic_below: a percentage")));
}

TEST(PoolHealth, a_login_needs_an_account_and_nothing_else_takes_one) {
  EXPECT_THAT(errors_of(with_health("level: login")),
              ElementsAre("pools.main.health.user: the test account that level login logs in "
                          "with, found none"));
  EXPECT_THAT(errors_of(with_health("level: login, user: probe")),
              ElementsAre("pools.main.health.user: a password or password_file beside it, in a "
                          "pool without a master user"));
  EXPECT_THAT(errors_of(with_health("user: probe, password: x")),
              ElementsAre("pools.main.health.user: no user with level greeting, which does not "
                          "log in"));
  EXPECT_THAT(errors_of(with_health("password: x")),
              ElementsAre("pools.main.health.password: no password with level greeting, which "
                          "does not log in"));
  EXPECT_THAT(errors_of(with_health("level: login, user: probe, password: x, password_file: y")),
              ElementsAre("pools.main.health.password_file: either password or password_file"));
}

TEST(PoolHealth, a_master_user_logs_in_for_the_account) {
  EXPECT_THAT(
      errors_of(with_health("level: login, user: probe", "master: {user: m, password: x}, ")),
      IsEmpty());
}

}  // namespace
}  // namespace headgate::config
