#include "server/session/guess_guard.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace headgate::server {
namespace {

using namespace std::chrono_literals;
using dialogue::LoginFailure;
using metrics::GuessLimit;

// A guard and a clock, and clients that log in at it.
class GuessGuardTest : public testing::Test {
 protected:
  GuessGuardTest() {
    config_.address = {.free = 10, .limit = 30};
    config_.user = {.free = 6, .limit = 20};
    config_.pair = {.free = 3, .limit = 5};
    config_.forget = 1000s;
    config_.remember = 10'000s;
    config_.max_delay = 10s;
    config_.parallel = 8;
    config_.parallel_suspect = 2;
    config_.entries = 1024;
  }
  GuessGuard& guard() {
    if (!guard_) {
      guard_.emplace(config_, 7);
    }
    return *guard_;
  }
  static dialogue::Credentials credentials(const std::string& user, const std::string& password) {
    return {"PLAIN", user, Secret(password)};
  }
  GuessGuard::Verdict ask(const std::string& client, const std::string& user) {
    GuessGuard::Attempt attempt;
    const auto verdict = guard().begin(attempt, IpAddress::parse(client).value(), user, now_);
    guard().end(attempt);
    return verdict;
  }
  // False where the guard did not let the password be looked at.
  bool fail(const std::string& client, const std::string& user, const std::string& password) {
    GuessGuard::Attempt attempt;
    const auto verdict = guard().begin(attempt, IpAddress::parse(client).value(), user, now_);
    if (!verdict.refused) {
      guard().failed(attempt, credentials(user, password), now_);
    }
    guard().end(attempt);
    return !verdict.refused;
  }
  // So many failures with fresh passwords.
  void fail_times(int times, const std::string& client, const std::string& user) {
    for (int i = 0; i < times; ++i) {
      fail(client, user, "guess " + std::to_string(guesses_++));
    }
  }
  void succeed(const std::string& client, const std::string& user) {
    GuessGuard::Attempt attempt;
    ASSERT_FALSE(guard().begin(attempt, IpAddress::parse(client).value(), user, now_).refused);
    guard().succeeded(attempt, now_);
    guard().end(attempt);
  }
  void pass(std::chrono::milliseconds time) { now_ += time.count(); }

  config::Guessing config_;
  std::optional<GuessGuard> guard_;
  std::int64_t now_ = 1'000'000;
  int guesses_ = 0;
};

TEST_F(GuessGuardTest, AFewFailuresCostNothing) {
  fail_times(3, "192.0.2.1", "alice");
  pass(1s);
  fail_times(1, "192.0.2.1", "bob");
  EXPECT_EQ(ask("192.0.2.1", "bob").delay, 0ms);
  EXPECT_EQ(ask("192.0.2.2", "alice").delay, 0ms);
}

TEST_F(GuessGuardTest, OneUserFromOneAddressWaitsEverLongerAndIsRefusedThen) {
  fail_times(3, "192.0.2.1", "alice");
  const auto first = ask("192.0.2.1", "alice");
  EXPECT_FALSE(first.refused);
  EXPECT_GT(first.delay, 0ms);
  fail_times(1, "192.0.2.1", "alice");
  EXPECT_GT(ask("192.0.2.1", "alice").delay, first.delay);
  EXPECT_LE(ask("192.0.2.1", "alice").delay, 10s);
  fail_times(1, "192.0.2.1", "alice");
  const auto refused = ask("192.0.2.1", "alice");
  EXPECT_EQ(refused.refused, LoginFailure::kGuessing);
  EXPECT_EQ(refused.limit, GuessLimit::kPair);
  EXPECT_FALSE(ask("192.0.2.2", "alice").refused);
  EXPECT_FALSE(ask("192.0.2.1", "bob").refused);
}

TEST_F(GuessGuardTest, ARefusedLoginCountsForNothingAndTheCountFallsMeanwhile) {
  fail_times(50, "192.0.2.1", "alice");
  EXPECT_TRUE(ask("192.0.2.1", "alice").refused);
  pass(199s);  // of 1000 s for five
  EXPECT_FALSE(ask("192.0.2.1", "alice").refused);
  pass(1000s);
  EXPECT_EQ(ask("192.0.2.1", "alice").delay, 0ms);
}

TEST_F(GuessGuardTest, AnAddressIsRefusedWhateverNamesItTries) {
  for (int i = 0; i < 10; ++i) {
    fail_times(1, "192.0.2.1", "user" + std::to_string(i));
  }
  EXPECT_GT(ask("192.0.2.1", "somebody").delay, 0ms);
  EXPECT_EQ(ask("192.0.2.2", "somebody").delay, 0ms);
  for (int i = 10; i < 40; ++i) {
    fail_times(1, "192.0.2.1", "user" + std::to_string(i));
  }
  EXPECT_EQ(ask("192.0.2.1", "somebody").limit, GuessLimit::kAddress);
  EXPECT_EQ(ask("192.0.2.1", "somebody").refused, LoginFailure::kGuessing);
  EXPECT_EQ(ask("192.0.2.1", "").refused, LoginFailure::kGuessing);
}

TEST_F(GuessGuardTest, AUserIsRefusedFromWhateverAddressesTheGuessesCome) {
  for (int i = 1; i <= 20; ++i) {
    fail_times(1, "198.51.100." + std::to_string(i), "Alice@Example.org");
  }
  const auto refused = ask("192.0.2.1", "alice@example.org");
  EXPECT_EQ(refused.refused, LoginFailure::kUserGuessed);
  EXPECT_EQ(refused.limit, GuessLimit::kUser);
  EXPECT_FALSE(ask("192.0.2.1", "bob@example.org").refused);
}

TEST_F(GuessGuardTest, WhoIsKnownAtAnAddressPaysOnlyForOwnFailures) {
  succeed("192.0.2.1", "alice");
  for (int i = 1; i <= 20; ++i) {
    fail_times(1, "198.51.100." + std::to_string(i), "alice");
  }
  for (int i = 0; i < 40; ++i) {
    fail_times(1, "192.0.2.1", "user" + std::to_string(i));
  }
  EXPECT_FALSE(ask("192.0.2.1", "alice").refused);
  EXPECT_EQ(ask("192.0.2.1", "alice").delay, 0ms);
  EXPECT_TRUE(ask("192.0.2.1", "bob").refused);
  EXPECT_TRUE(ask("192.0.2.2", "alice").refused);
  fail_times(5, "192.0.2.1", "alice");
  EXPECT_EQ(ask("192.0.2.1", "alice").limit, GuessLimit::kPair);
  pass(10'001s);
  succeed("192.0.2.1", "alice");
}

TEST_F(GuessGuardTest, TheSameWrongPasswordCountsOnce) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(fail("192.0.2.1", "alice", "the old one"));
    pass(60s);
  }
  EXPECT_EQ(ask("192.0.2.1", "alice").delay, 0ms);
  for (int i = 0; i < 5; ++i) {
    fail("192.0.2.1", "user" + std::to_string(i), "the old one");
    fail("192.0.2.1", "alice", std::to_string(i));
  }
  EXPECT_TRUE(ask("192.0.2.1", "alice").refused);
}

TEST_F(GuessGuardTest, AnIpv6HouseholdIsOneAddressAndItsSiteHasMore) {
  fail_times(3, "2001:db8:1:1::1", "alice");
  fail_times(2, "2001:db8:1:1::2", "alice");
  EXPECT_EQ(ask("2001:db8:1:1::3", "alice").limit, GuessLimit::kPair);
  EXPECT_TRUE(ask("2001:db8:1:1::3", "alice").refused);
  EXPECT_FALSE(ask("2001:db8:1:2::1", "alice").refused);
  for (int i = 0; i < 120; ++i) {
    fail_times(1, "2001:db8:2:" + std::to_string(i) + "::1", "user" + std::to_string(i));
  }
  const auto refused = ask("2001:db8:2:ffff::1", "somebody");
  EXPECT_EQ(refused.refused, LoginFailure::kGuessing);
  EXPECT_EQ(refused.limit, GuessLimit::kNetwork);
  EXPECT_FALSE(ask("2001:db8:3:ffff::1", "somebody").refused);
}

TEST_F(GuessGuardTest, OnlySoManyAtATimeAndFewerOnceAnAddressIsSuspect) {
  const IpAddress client = IpAddress::parse("192.0.2.1").value();
  std::vector<GuessGuard::Attempt> attempts(9);
  for (int i = 0; i < 8; ++i) {
    EXPECT_FALSE(guard().begin(attempts[i], client, "user" + std::to_string(i), now_).refused);
  }
  const auto refused = guard().begin(attempts[8], client, "another", now_);
  EXPECT_EQ(refused.refused, LoginFailure::kGuessing);
  EXPECT_EQ(refused.limit, GuessLimit::kParallel);
  EXPECT_FALSE(ask("192.0.2.2", "another").refused);
  guard().end(attempts[0]);
  guard().end(attempts[0]);
  EXPECT_FALSE(guard().begin(attempts[8], client, "another", now_).refused);
  EXPECT_TRUE(ask("192.0.2.1", "another").refused);
  for (auto& attempt : attempts) {
    guard().end(attempt);
  }
  for (int i = 0; i < 10; ++i) {
    fail_times(1, "192.0.2.1", "user" + std::to_string(i));
  }
  EXPECT_FALSE(guard().begin(attempts[0], client, "a", now_).refused);
  EXPECT_FALSE(guard().begin(attempts[1], client, "b", now_).refused);
  EXPECT_EQ(guard().begin(attempts[2], client, "c", now_).limit, GuessLimit::kParallel);
  for (auto& attempt : attempts) {
    guard().end(attempt);
  }
}

TEST_F(GuessGuardTest, ExemptNetworksAndSwitchedOffCountNothing) {
  config_.exempt = {Network::parse("192.0.2.0/24").value()};
  fail_times(100, "192.0.2.1", "alice");
  EXPECT_FALSE(ask("192.0.2.1", "alice").refused);
  EXPECT_EQ(ask("198.51.100.1", "alice").delay, 0ms);
  guard_.reset();
  config_.exempt.clear();
  config_.enabled = false;
  fail_times(100, "192.0.2.1", "alice");
  EXPECT_FALSE(ask("192.0.2.1", "alice").refused);
}

TEST_F(GuessGuardTest, WithoutALimitItOnlyGetsSlower) {
  config_.user = {.free = 2, .limit = 0};
  for (int i = 1; i <= 200; ++i) {
    fail_times(1, "198.51.100." + std::to_string(i), "alice");
  }
  EXPECT_FALSE(ask("192.0.2.1", "alice").refused);
  EXPECT_EQ(ask("192.0.2.1", "alice").delay, 10s);
}

TEST_F(GuessGuardTest, ProofsThatTellNoPasswordAllCount) {
  GuessGuard::Attempt attempt;
  static_cast<void>(guard().begin(attempt, IpAddress::parse("203.0.113.9").value(), "alice", now_));
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(guard().failed(attempt, {"SCRAM-SHA-256", "alice", Secret()}, now_)) << i;
  }
  EXPECT_TRUE(guard().failed(attempt, {"PLAIN", "alice", Secret("x")}, now_));
  EXPECT_FALSE(guard().failed(attempt, {"PLAIN", "alice", Secret("x")}, now_));
}

TEST_F(GuessGuardTest, AFloodOfUsersAndAddressesTakesNoMoreMemoryThanItSays) {
  const std::size_t bytes = guard().bytes();
  EXPECT_EQ(bytes, 6U * 1024 * 16);
  fail_times(5, "203.0.113.9", "victim");
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    GuessGuard::Attempt attempt;
    const auto client = IpAddress::from_bytes(std::array<std::uint8_t, 4>{
        10, static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8),
        static_cast<std::uint8_t>(i)});
    const std::string user = "user" + std::to_string(i);
    if (!guard().begin(attempt, client, user, now_).refused) {
      guard().failed(attempt, credentials(user, "x"), now_);
    }
    guard().end(attempt);
  }
  for (const auto& table : guard().figures()) {
    EXPECT_LE(table.entries, 1024U) << table.table;
  }
  EXPECT_EQ(guard().bytes(), bytes);
  EXPECT_TRUE(ask("203.0.113.9", "victim").refused) << "a flood made it forget a guesser";
}

}  // namespace
}  // namespace headgate::server
