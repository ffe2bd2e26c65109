#include "auth/user_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace headgate::auth {
namespace {

using dialogue::LoginFailure;
using testing::HasSubstr;
using testing::Not;

UserRecord with_password(std::string_view hash) {
  UserRecord record;
  record.password.emplace(hash);
  return record;
}

TEST(UserRecord, FieldsBecomeTheRoute) {
  UserRecord record;
  ASSERT_TRUE(set_field(record, "password", "{PLAIN}x"));
  ASSERT_TRUE(set_field(record, "user", "a1"));
  ASSERT_TRUE(set_field(record, "pool", "west"));
  ASSERT_TRUE(set_field(record, "backend", "mail1:143"));
  EXPECT_EQ(record.route.user, "a1");
  EXPECT_EQ(record.route.pool, "west");
  EXPECT_EQ(record.route.backend->to_string(), "mail1:143");
  ASSERT_TRUE(set_field(record, "backend", "mail2", 993));
  EXPECT_EQ(record.route.backend->to_string(), "mail2:993");
  ASSERT_TRUE(set_field(record, "backend", "2001:db8::1", 993));
  EXPECT_EQ(record.route.backend->to_string(), "[2001:db8::1]:993");
}

TEST(UserRecord, AnEmptyFieldIsNone) {
  UserRecord record;
  ASSERT_TRUE(set_field(record, "pool", ""));
  ASSERT_TRUE(set_field(record, "backend", ""));
  EXPECT_FALSE(record.route.pool || record.route.backend);
}

TEST(UserRecord, AFieldThatMakesNoSenseIsRefused) {
  UserRecord record;
  EXPECT_THAT(set_field(record, "bakend", "x").error(), HasSubstr("found 'bakend'"));
  EXPECT_THAT(set_field(record, "backend", "mail1").error(), HasSubstr("backend: expected"));
  EXPECT_THAT(set_field(record, "user", "a\r\nb").error(), HasSubstr("control characters"));
  EXPECT_FALSE(set_field(record, "user", std::string(2000, 'a')));
}

TEST(RecordChecker, ThePasswordDecidesAndThenTheMasterUserMayBeUsed) {
  RecordChecker checker({.source = "sql"});
  const auto result = checker.check(with_password("{PLAIN}one"), "alice", Secret("one"));
  ASSERT_TRUE(std::holds_alternative<Accepted>(result));
  EXPECT_EQ(std::get<Accepted>(result).route.user, "alice");
  EXPECT_TRUE(std::get<Accepted>(result).route.use_master);
  for (const char* hash : {"{PLAIN}two", "!{PLAIN}one", "*", ""}) {
    const auto refused = checker.check(with_password(hash), "alice", Secret("one"));
    ASSERT_TRUE(std::holds_alternative<Rejected>(refused)) << hash;
    EXPECT_EQ(std::get<Rejected>(refused).failure, LoginFailure::kWrongCredentials) << hash;
  }
  EXPECT_TRUE(std::holds_alternative<Rejected>(checker.check(UserRecord{}, "a", Secret(""))));
  EXPECT_TRUE(
      std::holds_alternative<UnknownHere>(checker.check(std::nullopt, "alice", Secret("one"))));
}

TEST(RecordChecker, AHashThatIsNoneIsNoWrongPasswordAndItsTextStaysOutOfTheLog) {
  RecordChecker checker({.source = "sql"});
  testing::internal::CaptureStderr();
  const auto result = checker.check(with_password("{MD4}hashtext"), "alice", Secret("one"));
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::get<Rejected>(result).failure, LoginFailure::kLookupUnavailable);
  EXPECT_THAT(log, HasSubstr("source=sql user=alice"));
  EXPECT_THAT(log, Not(HasSubstr("hashtext")));
}

TEST(RecordChecker, WhereTheBackendChecksNoMasterUserIsUsed) {
  RecordChecker checker({.source = "sql", .checks_password = false});
  const auto result = checker.check(with_password("{PLAIN}one"), "alice", Secret("two"));
  ASSERT_TRUE(std::holds_alternative<Accepted>(result));
  EXPECT_FALSE(std::get<Accepted>(result).route.use_master);
}

TEST(RecordChecker, AnUnknownUserCostsAHashOfTheKindThatTheOthersHave) {
  using Clock = std::chrono::steady_clock;
  RecordChecker checker({.source = "sql"});
  const auto time = [&](auto record) {
    const auto begun = Clock::now();
    static_cast<void>(checker.check(std::move(record), "alice", Secret("one")));
    return Clock::now() - begun;
  };
  constexpr std::string_view kBcrypt10 =
      "$2b$10$abcdefghijklmnopqrstuuW8MgPTpmvnTnXmKLlwCN8c1kkYc/jVS";
  const auto known = time(std::optional(with_password(kBcrypt10)));
  const auto unknown = time(std::optional<UserRecord>());
  EXPECT_GT(known, std::chrono::milliseconds(5));
  EXPECT_GT(unknown, known / 3);
  RecordChecker not_last({.source = "sql", .hash_unknown = false});
  const auto begun = Clock::now();
  static_cast<void>(not_last.check(std::nullopt, "alice", Secret("one")));
  EXPECT_LT(Clock::now() - begun, known / 3) << "the next source computes one";
}

}  // namespace
}  // namespace headgate::auth
