#include "sources/user_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace headgate::sources {
namespace {

using dialogue::LoginFailure;
using testing::HasSubstr;
using testing::Not;

UserRecord record_of(std::string_view hash) {
  UserRecord record;
  record.password.emplace(hash);
  return record;
}

UserRecord app_password(std::string_view label, std::string_view hash) {
  UserRecord record = record_of(hash);
  record.route.app_password = label;
  return record;
}

template <typename... Records>
std::vector<UserRecord> all(Records... each) {
  std::vector<UserRecord> records;
  (records.push_back(std::move(each)), ...);
  return records;
}

std::vector<UserRecord> with_password(std::string_view hash) {
  return all(record_of(hash));
}

TEST(UserRecord, FieldsBecomeTheRoute) {
  UserRecord record;
  ASSERT_TRUE(set_field(record, "password", "{PLAIN}x"));
  ASSERT_TRUE(set_field(record, "user", "a1"));
  ASSERT_TRUE(set_field(record, "pool", "west"));
  ASSERT_TRUE(set_field(record, "backend", "mail1:143"));
  ASSERT_TRUE(set_field(record, "forward_tier", "gold"));
  ASSERT_EQ(record.route.forward.size(), 1U);
  EXPECT_EQ(record.route.forward[0].key, "tier");
  EXPECT_EQ(record.route.forward[0].value, "gold");
  EXPECT_FALSE(set_field(record, "forward_", "x"));
  EXPECT_EQ(record.route.user, "a1");
  EXPECT_EQ(record.route.pool, "west");
  EXPECT_EQ(record.route.backend->to_string(), "mail1:143");
  ASSERT_TRUE(set_field(record, "backend", "mail2", 993));
  EXPECT_EQ(record.route.backend->to_string(), "mail2:993");
  ASSERT_TRUE(set_field(record, "backend", "2001:db8::1", 993));
  EXPECT_EQ(record.route.backend->to_string(), "[2001:db8::1]:993");
}

TEST(UserRecord, TheNumberOfSessionsHasARange) {
  UserRecord record;
  ASSERT_TRUE(set_field(record, "max_sessions", ""));
  EXPECT_EQ(record.route.max_sessions, std::nullopt);
  ASSERT_TRUE(set_field(record, "max_sessions", "10000000"));
  EXPECT_EQ(record.route.max_sessions, 10'000'000U);
  ASSERT_TRUE(set_field(record, "max_sessions", "0")) << "any number";
  EXPECT_EQ(record.route.max_sessions, 0U);
  for (const char* bad : {"10000001", "99999999999999999999", "-1", "+1", " 1", "1 ", "1.5", "x"}) {
    const auto set = set_field(record, "max_sessions", bad);
    ASSERT_FALSE(set) << bad;
    EXPECT_EQ(set.error(), "max_sessions: expected a whole number from 0 to 10000000, found '" +
                               std::string(bad) + "'");
    EXPECT_EQ(record.route.max_sessions, 0U) << bad;
  }
}

TEST(UserRecord, OfAForwardedKeyTheLastOneCounts) {
  UserRecord record;
  ASSERT_TRUE(set_field(record, "forward_tier", "gold"));
  ASSERT_TRUE(set_field(record, "forward_TIER", "silver"));
  ASSERT_EQ(record.route.forward.size(), 1U);
  EXPECT_EQ(record.route.forward[0].value, "silver");
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
  ASSERT_TRUE(std::holds_alternative<auth::Accepted>(result));
  EXPECT_EQ(std::get<auth::Accepted>(result).route.user, "alice");
  EXPECT_TRUE(std::get<auth::Accepted>(result).route.use_master);
  for (const char* hash : {"{PLAIN}two", "!{PLAIN}one", "*", ""}) {
    const auto refused = checker.check(with_password(hash), "alice", Secret("one"));
    ASSERT_TRUE(std::holds_alternative<auth::Rejected>(refused)) << hash;
    EXPECT_EQ(std::get<auth::Rejected>(refused).failure, LoginFailure::kWrongCredentials) << hash;
  }
  EXPECT_TRUE(
      std::holds_alternative<auth::Rejected>(checker.check(all(UserRecord{}), "a", Secret(""))));
  EXPECT_TRUE(std::holds_alternative<auth::UnknownHere>(checker.check({}, "alice", Secret("one"))));
}

TEST(RecordChecker, AHashThatIsNoneIsNoWrongPasswordAndItsTextStaysOutOfTheLog) {
  RecordChecker checker({.source = "sql"});
  testing::internal::CaptureStderr();
  const auto result = checker.check(with_password("{MD4}hashtext"), "alice", Secret("one"));
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::get<auth::Rejected>(result).failure, LoginFailure::kLookupUnavailable);
  EXPECT_THAT(log, HasSubstr("source=sql user=alice"));
  EXPECT_THAT(log, Not(HasSubstr("hashtext")));
}

TEST(RecordChecker, EachOfAUsersPasswordsOpensTheMailboxOfItsOwnRecord) {
  RecordChecker checker({.source = "sql"});
  const auto check = [&](std::string_view password) {
    UserRecord phone = app_password("phone", "{PLAIN}two");
    phone.route.pool = "phones";
    return checker.check(all(record_of("{PLAIN}one"), std::move(phone), record_of("*")), "alice",
                         Secret(password));
  };
  const auto own = std::get<auth::Accepted>(check("one")).route;
  EXPECT_EQ(own.app_password, std::nullopt);
  EXPECT_EQ(own.pool, std::nullopt);
  const auto phone = std::get<auth::Accepted>(check("two")).route;
  EXPECT_EQ(phone.app_password, "phone");
  EXPECT_EQ(phone.pool, "phones");
  EXPECT_EQ(phone.user, "alice");
  EXPECT_EQ(std::get<auth::Rejected>(check("three")).failure, LoginFailure::kWrongCredentials);
}

TEST(RecordChecker, ALockedUserIsLockedOutWithApplicationPasswordsTooButTheyNeedNoOwnOne) {
  RecordChecker checker({.source = "sql"});
  const auto check = [&](std::string_view own) {
    return checker.check(all(record_of(own), app_password("phone", "{PLAIN}two")), "alice",
                         Secret("two"));
  };
  EXPECT_TRUE(std::holds_alternative<auth::Rejected>(check("!{PLAIN}one")));
  EXPECT_TRUE(std::holds_alternative<auth::Accepted>(check("*")));
  EXPECT_TRUE(std::holds_alternative<auth::Accepted>(check("")));
}

TEST(RecordChecker, MorePasswordsThanSixteenAreAnErrorAndNoneOfThemIsLeftOutInSilence) {
  RecordChecker checker({.source = "sql"});
  const auto check = [&](std::size_t count) {
    std::vector<UserRecord> records;
    for (std::size_t i = 0; i < count; ++i) {
      records.push_back(app_password("a", "{PLAIN}one"));
    }
    return checker.check(std::move(records), "alice", Secret("one"));
  };
  EXPECT_TRUE(std::holds_alternative<auth::Accepted>(check(16)));
  testing::internal::CaptureStderr();
  const auto result = check(17);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("expected at most 16 passwords"));
  EXPECT_EQ(std::get<auth::Rejected>(result).failure, LoginFailure::kLookupUnavailable);
}

TEST(RecordChecker, AHashThatIsNoneLeavesTheOtherPasswordsGood) {
  RecordChecker checker({.source = "sql"});
  const auto check = [&](std::string_view password) {
    return checker.check(all(record_of("{MD4}x"), app_password("phone", "{PLAIN}two")), "alice",
                         Secret(password));
  };
  EXPECT_TRUE(std::holds_alternative<auth::Accepted>(check("two")));
  EXPECT_EQ(std::get<auth::Rejected>(check("x")).failure, LoginFailure::kLookupUnavailable);
}

TEST(RecordChecker, ASecretHoldsForAllOfAUsersPasswordsAndTwoSecretsAreAnError) {
  RecordChecker checker({.source = "sql", .codes = {}});
  const auto check = [&](std::string_view one, std::string_view two) {
    UserRecord own = record_of("{PLAIN}one");
    UserRecord phone = app_password("phone", "{PLAIN}two");
    EXPECT_TRUE(set_field(own, "totp", one));
    EXPECT_TRUE(set_field(phone, "totp", two));
    return checker.check(all(std::move(own), std::move(phone)), "alice", Secret("two"));
  };
  testing::internal::CaptureStderr();
  EXPECT_EQ(std::get<auth::Rejected>(check("JBSWY3DPEHPK3PXP", "GEZDGNBVGY3TQOJQ")).failure,
            LoginFailure::kLookupUnavailable);
  EXPECT_EQ(std::get<auth::Rejected>(check("0189", "")).failure, LoginFailure::kLookupUnavailable);
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("expected one secret; found several"));
  EXPECT_THAT(log, Not(HasSubstr("JBSWY3DP")));
}

TEST(RecordChecker, ARightPasswordWithoutItsCodeIsAWrongPassword) {
  const auto used = std::make_shared<proof::UsedCodes>();
  RecordChecker checker({.source = "sql", .codes = {.used = used, .apps = false}});
  const auto check = [&](std::string_view password) {
    UserRecord own = record_of("{PLAIN}one");
    EXPECT_TRUE(set_field(own, "totp", "JBSWY3DPEHPK3PXP"));
    return checker.check(all(std::move(own), app_password("phone", "{PLAIN}two")), "alice",
                         Secret(password));
  };
  const auto missing = std::get<auth::Rejected>(check("one"));
  EXPECT_EQ(missing.failure, LoginFailure::kWrongCredentials);
  EXPECT_EQ(missing.text, "");
  EXPECT_EQ(missing.factor, metrics::Factor::kTotpMissing);
  EXPECT_EQ(std::get<auth::Rejected>(check("three123456")).factor, std::nullopt);
  EXPECT_EQ(std::get<auth::Accepted>(check("two")).route.code_length, 0U);
}

TEST(RecordChecker, AnExchangeIsJudgedByTheOwnPasswordAndByNoApplicationPassword) {
  RecordChecker checker({.source = "sql"});
  auto known = checker.hand_out(all(app_password("phone", "{PLAIN}other"), record_of("{PLAIN}own")),
                                "alice");
  ASSERT_TRUE(std::holds_alternative<auth::Known>(known));
  EXPECT_EQ(std::get<auth::Known>(known).route.user, "alice");
  EXPECT_TRUE(std::get<auth::Known>(known).stored->matches(Secret("own")));
  EXPECT_TRUE(std::holds_alternative<auth::UnknownHere>(checker.hand_out({}, "nobody")));
  for (const char* own : {"!", "*"}) {
    auto records = all(record_of(own), app_password("phone", "{PLAIN}other"));
    EXPECT_TRUE(
        std::holds_alternative<auth::Rejected>(checker.hand_out(std::move(records), "alice")));
  }
}

TEST(RecordChecker, WhoNeedsAOneTimeCodeIsNotLetInByAnExchangeWhichHasNoRoomForOne) {
  RecordChecker checker({.source = "sql"});
  auto records = all(record_of("{PLAIN}own"), app_password("phone", "{PLAIN}other"));
  records[1].totp.emplace("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP");
  EXPECT_TRUE(
      std::holds_alternative<auth::Rejected>(checker.hand_out(std::move(records), "alice")));
}

TEST(RecordChecker, WhereTheBackendChecksNoMasterUserIsUsed) {
  RecordChecker checker({.source = "sql", .checks_password = false});
  const auto result = checker.check(with_password("{PLAIN}one"), "alice", Secret("two"));
  ASSERT_TRUE(std::holds_alternative<auth::Accepted>(result));
  EXPECT_FALSE(std::get<auth::Accepted>(result).route.use_master);
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
  const auto known = time(with_password(kBcrypt10));
  const auto unknown = time(std::vector<UserRecord>());
  EXPECT_GT(known, std::chrono::milliseconds(5));
  EXPECT_GT(unknown, known / 3);
  RecordChecker not_last({.source = "sql", .hash_unknown = false});
  const auto begun = Clock::now();
  static_cast<void>(not_last.check({}, "alice", Secret("one")));
  EXPECT_LT(Clock::now() - begun, known / 3) << "the next source computes one";
}

}  // namespace
}  // namespace headgate::sources
