#include "server/session/session_limits.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace headgate::server {
namespace {

using dialogue::LoginFailure;
using Share = SessionLimits::Share;

config::Config make_config() {
  config::Config config;
  config.listeners.resize(2);
  config.listeners[0].name = "imaps";
  config.listeners[1].name = "imap";
  config.pools.resize(2);
  config.pools[0].name = "main";
  config.pools[1].name = "other";
  return config;
}

IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}

TEST(SessionLimits, WithoutLimitsEverybodyIsLetIn) {
  const config::Config config = make_config();
  SessionLimits limits(config, std::make_shared<SessionCounts>(1));
  std::vector<Share> shares(1000);
  for (Share& share : shares) {
    EXPECT_FALSE(limits.take(share, 0, 0, ip("192.0.2.1"), 7));
  }
  EXPECT_TRUE(limits.figures(5, 5).empty());
}

TEST(SessionLimits, AListenerAndAPoolHaveLimitsOfTheirOwn) {
  config::Config config = make_config();
  config.listeners[0].max_sessions = 2;
  config.pools[1].max_sessions = 1;
  SessionLimits limits(config, std::make_shared<SessionCounts>(1));
  Share a;
  Share b;
  Share c;
  Share d;
  EXPECT_FALSE(limits.take(a, 0, 0, ip("192.0.2.1"), 1));
  EXPECT_FALSE(limits.full(0, ip("192.0.2.1")));
  EXPECT_FALSE(limits.take(b, 0, 1, ip("192.0.2.1"), 2));
  EXPECT_EQ(limits.full(0, ip("192.0.2.1")), LoginFailure::kListenerFull);
  EXPECT_FALSE(limits.full(1, ip("192.0.2.1")));
  EXPECT_TRUE(limits.pool_full(1));
  EXPECT_FALSE(limits.pool_full(0));
  EXPECT_EQ(limits.take(c, 0, 0, ip("192.0.2.1"), 3), LoginFailure::kListenerFull);
  EXPECT_EQ(limits.take(c, 1, 1, ip("192.0.2.1"), 3), LoginFailure::kPoolFull);
  limits.give_back(c);  // it has nothing
  limits.give_back(b);
  limits.give_back(b);
  EXPECT_FALSE(limits.take(c, 1, 1, ip("192.0.2.1"), 3));
  EXPECT_FALSE(limits.take(d, 0, 0, ip("192.0.2.1"), 3));
}

TEST(SessionLimits, NetworksAreAddressesCutToThePrefixAndSomeAreExempt) {
  config::Config config = make_config();
  config.limits.sessions_per_network = 1;
  config.limits.ipv4_prefix = 24;
  config.limits.exempt = {Network::parse("192.0.2.128/25").value()};
  SessionLimits limits(config, std::make_shared<SessionCounts>(1));
  Share a;
  Share b;
  Share c;
  EXPECT_FALSE(limits.take(a, 0, 0, ip("192.0.2.1"), 1));
  EXPECT_EQ(limits.full(0, ip("192.0.2.2")), LoginFailure::kNetworkLimit);
  EXPECT_EQ(limits.take(b, 0, 0, ip("192.0.2.2"), 2), LoginFailure::kNetworkLimit);
  EXPECT_FALSE(limits.take(b, 0, 0, ip("192.0.3.2"), 2));
  for (int i = 0; i < 3; ++i) {
    Share exempt;
    EXPECT_FALSE(limits.take(exempt, 0, 0, ip("192.0.2.200"), 3));
  }
  limits.give_back(b);
  EXPECT_FALSE(limits.take(b, 0, 0, ip("2001:db8:0:1::1"), 2));
  EXPECT_EQ(limits.take(c, 0, 0, ip("2001:db8:0:1:ffff::"), 2), LoginFailure::kNetworkLimit);
  EXPECT_FALSE(limits.take(c, 0, 0, ip("2001:db8:0:2::1"), 2));
}

TEST(SessionLimits, AUserFromOneNetworkIsCountedApartFromOthersAndOtherNetworks) {
  config::Config config = make_config();
  config.limits.sessions_per_user_and_network = 1;
  SessionLimits limits(config, std::make_shared<SessionCounts>(1));
  Share a;
  Share b;
  Share c;
  EXPECT_FALSE(limits.take(a, 0, 0, ip("192.0.2.1"), 1));
  EXPECT_EQ(limits.take(b, 0, 0, ip("192.0.2.1"), 1), LoginFailure::kUserNetworkLimit);
  EXPECT_FALSE(limits.take(b, 0, 0, ip("192.0.2.1"), 2));
  EXPECT_FALSE(limits.take(c, 0, 0, ip("192.0.2.2"), 1));
}

TEST(SessionLimits, ALimitOfTheUsersOwnStandsInstead) {
  config::Config config = make_config();
  config.limits.sessions_per_user_and_network = 1;
  config.limits.sessions_per_network = 3;
  SessionLimits limits(config, std::make_shared<SessionCounts>(1));
  std::vector<Share> shares(4);
  EXPECT_FALSE(limits.take(shares[0], 0, 0, ip("192.0.2.1"), 1, true));
  EXPECT_FALSE(limits.take(shares[1], 0, 0, ip("192.0.2.1"), 1, true));
  EXPECT_EQ(limits.take(shares[2], 0, 0, ip("192.0.2.1"), 1), LoginFailure::kUserNetworkLimit)
      << "they count for logins without one";
  EXPECT_FALSE(limits.take(shares[2], 0, 0, ip("192.0.2.1"), 2));
  EXPECT_EQ(limits.take(shares[3], 0, 0, ip("192.0.2.1"), 1, true), LoginFailure::kNetworkLimit)
      << "that is no limit of the user's";
}

TEST(SessionLimits, FiguresShowALimitBeforeItBites) {
  config::Config config = make_config();
  config.limits.sessions_per_user = 20;
  config.limits.sessions_per_network = 5;
  config.pools[0].max_sessions = 100;
  SessionLimits limits(config, std::make_shared<SessionCounts>(1));
  std::vector<Share> shares(4);
  for (Share& share : shares) {
    EXPECT_FALSE(limits.take(share, 0, 0, ip("192.0.2.1"), 1));
  }
  const auto figures = limits.figures(17, 3);
  ASSERT_EQ(figures.size(), 3U);
  EXPECT_EQ(figures[0].scope, "user");
  EXPECT_EQ(figures[0].limit, 20U);
  EXPECT_EQ(figures[0].most, 17U);
  EXPECT_EQ(figures[0].near, 3U);
  EXPECT_EQ(figures[1].scope, "network");
  EXPECT_EQ(figures[1].most, 4U);
  EXPECT_EQ(figures[1].near, 1U);
  EXPECT_EQ(figures[2].of, "main");
  EXPECT_EQ(figures[2].most, 4U);
  EXPECT_EQ(figures[2].near, 0U);
}

TEST(SessionLimits, CountsGoOnUnderAnotherConfigurationByName) {
  const auto counts = std::make_shared<SessionCounts>(1);
  config::Config config = make_config();
  config.listeners[0].max_sessions = 2;
  config.pools[1].max_sessions = 2;
  config.limits.sessions_per_network = 2;
  SessionLimits before(config, counts);
  Share a;
  EXPECT_FALSE(before.take(a, 0, 1, ip("192.0.2.1"), 1));

  config::Config changed = make_config();
  std::swap(changed.listeners[0], changed.listeners[1]);
  changed.listeners[1].max_sessions = 1;
  changed.pools.erase(changed.pools.begin());
  changed.pools[0].max_sessions = 1;
  changed.limits.sessions_per_network = 1;
  SessionLimits after(changed, counts);
  EXPECT_EQ(after.full(1, ip("192.0.2.9")), LoginFailure::kListenerFull);
  EXPECT_EQ(after.full(0, ip("192.0.2.1")), LoginFailure::kNetworkLimit);
  EXPECT_TRUE(after.pool_full(0));
  before.give_back(a);
  EXPECT_FALSE(after.full(1, ip("192.0.2.9")));
  EXPECT_FALSE(after.full(0, ip("192.0.2.1")));
  EXPECT_FALSE(after.pool_full(0));
}

TEST(SessionLimits, ThreadsNeverLetInMoreThanAllowedAndLoseNoPlace) {
  config::Config config = make_config();
  config.limits.sessions_per_network = 3;
  SessionLimits limits(config, std::make_shared<SessionCounts>(1));
  std::vector<std::thread> workers;
  for (int worker = 0; worker < 4; ++worker) {
    workers.emplace_back([&limits] {
      for (int i = 0; i < 5000; ++i) {
        Share share;
        limits.take(share, 0, 0, ip("192.0.2.1"), 1);
        EXPECT_LE(limits.figures(0, 0)[0].most, 3U);
        limits.give_back(share);
      }
    });
  }
  for (std::thread& worker : workers) {
    worker.join();
  }
  EXPECT_EQ(limits.figures(0, 0)[0].most, 0U);
}

}  // namespace
}  // namespace headgate::server
