#include "dialogue/close_reason.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace headgate::dialogue {
namespace {

TEST(CloseReasons, EveryOneHasItsOwnRow) {
  ASSERT_EQ(all_close_reasons().size(), kCloseReasonCount);
  std::set<std::string_view> names;
  for (const CloseInfo& row : all_close_reasons()) {
    EXPECT_EQ(&info(row.reason), &row);
    EXPECT_FALSE(row.name.empty());
    EXPECT_EQ(row.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), row.name.npos) << row.name;
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
  }
}

TEST(CloseReasons, EveryFarewellFitsALine) {
  for (const CloseInfo& row : all_close_reasons()) {
    EXPECT_THAT(row.farewell, testing::Not(testing::ContainsRegex("[][\r\n{}]"))) << row.name;
    EXPECT_LT(row.farewell.size(), 100U) << row.name;
  }
}

TEST(CloseReasons, WhatHeadgateDecidesBeforeLoginSaysGoodbye) {
  using enum CloseReason;
  for (const CloseReason reason : {kClientLogout, kClientProtocol, kTooManyFailures, kLoginTimeout,
                                   kLoginTooLarge, kDroppedForNewer, kShutdown, kKicked}) {
    EXPECT_FALSE(info(reason).farewell.empty()) << info(reason).name;
  }
}

TEST(CloseReasons, AConnectionThatIsGoneGetsNoGoodbye) {
  using enum CloseReason;
  for (const CloseReason reason : {kClientClosed, kClientReset, kClientTlsFailed, kProxyHeader}) {
    EXPECT_TRUE(info(reason).farewell.empty()) << info(reason).name;
  }
}

}  // namespace
}  // namespace headgate::dialogue
