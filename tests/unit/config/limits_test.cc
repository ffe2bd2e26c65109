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

std::string with_limits(const std::string& limits) {
  return "listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
         "pools: {main: {backends: [{address: \"b:143\"}]}}\n"
         "users: [{source: backend, pool: main}]\n"
         "limits: {" +
         limits + "}\n";
}

std::vector<std::string> errors_of(const std::string& limits) {
  std::vector<std::string> lines;
  if (const auto loaded = load_text("t.yaml", with_limits(limits), Files::kIgnore); !loaded) {
    for (const Error& error : loaded.error()) {
      lines.push_back(error.key + ": " + error.expected);
    }
  }
  return lines;
}

TEST(Limits, ASessionMayGiveWay) {
  const auto config = load_text(
      "t.yaml",
      with_limits("sessions_per_user: 5, over_user_limit: end_oldest_idle, idle_for: 10m"),
      Files::kIgnore);
  ASSERT_TRUE(config.has_value()) << config.error().front().to_string();
  EXPECT_EQ(config->limits.over_user_limit, OverUserLimit::kEndOldestIdle);
  EXPECT_EQ(config->limits.idle_for, 10min);
}

TEST(Limits, WhatDoesNothingIsRefused) {
  EXPECT_THAT(errors_of("over_user_limit: kick"),
              ElementsAre("limits.over_user_limit: one of refuse, end_oldest_idle, found 'kick'"));
  EXPECT_THAT(errors_of("over_user_limit: end_oldest_idle"),
              ElementsAre("limits.over_user_limit: sessions_per_user beside end_oldest_idle, found "
                          "none"));
  EXPECT_THAT(errors_of("sessions_per_user: 5, idle_for: 10m"),
              ElementsAre("limits.idle_for: no time with over_user_limit refuse, which ends "
                          "nothing"));
}

}  // namespace
}  // namespace headgate::config
