#include "dialogue/failure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace headgate::dialogue {
namespace {

bool is_label(std::string_view name) {
  return !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == name.npos;
}

TEST(Failures, EveryOneHasItsOwnRow) {
  ASSERT_EQ(all_failures().size(), kLoginFailureCount);
  std::set<std::string_view> names;
  for (const FailureInfo& row : all_failures()) {
    EXPECT_EQ(&info(row.failure), &row);
    EXPECT_TRUE(is_label(row.name)) << row.name;
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
  }
}

TEST(Failures, EveryReplyHasACodeOfRfc5530AndAPlainText) {
  const std::set<std::string_view> codes = {"UNAVAILABLE",
                                            "AUTHENTICATIONFAILED",
                                            "AUTHORIZATIONFAILED",
                                            "EXPIRED",
                                            "PRIVACYREQUIRED",
                                            "CONTACTADMIN",
                                            "NOPERM",
                                            "INUSE",
                                            "SERVERBUG",
                                            "CLIENTBUG",
                                            "CANNOT",
                                            "LIMIT"};
  for (const FailureInfo& row : all_failures()) {
    EXPECT_TRUE(codes.contains(row.code)) << row.name;
    EXPECT_FALSE(row.text.empty()) << row.name;
    EXPECT_THAT(row.text, testing::Not(testing::ContainsRegex("[][\r\n{}]"))) << row.name;
  }
}

TEST(Failures, OnlyWhatNeverJudgedTheUserIsTriedElsewhere) {
  for (const FailureInfo& row : all_failures()) {
    if (row.retry_elsewhere) {
      EXPECT_FALSE(row.delayed) << row.name;
      EXPECT_NE(row.fault, Fault::kClient) << row.name;
    }
  }
  EXPECT_FALSE(info(LoginFailure::kWrongCredentials).retry_elsewhere);
  EXPECT_TRUE(info(LoginFailure::kConnectRefused).retry_elsewhere);
  EXPECT_TRUE(info(LoginFailure::kBackendUnavailable).retry_elsewhere);
}

TEST(Failures, WhatTellsAboutAPasswordIsDelayed) {
  EXPECT_TRUE(info(LoginFailure::kWrongCredentials).delayed);
  EXPECT_TRUE(info(LoginFailure::kExpired).delayed);
  EXPECT_TRUE(info(LoginFailure::kAccountDisabled).delayed);
  EXPECT_FALSE(info(LoginFailure::kPrivacyRequired).delayed);
}

TEST(Faults, HaveNames) {
  EXPECT_EQ(name(Fault::kNobody), "nobody");
  EXPECT_EQ(name(Fault::kClient), "client");
  EXPECT_EQ(name(Fault::kBackend), "backend");
  EXPECT_EQ(name(Fault::kNetwork), "network");
  EXPECT_EQ(name(Fault::kHeadgate), "headgate");
  EXPECT_EQ(name(Fault::kOperator), "operator");
}

}  // namespace
}  // namespace headgate::dialogue
