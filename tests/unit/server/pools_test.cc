#include "server/pools.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace headgate::server {
namespace {

std::vector<std::string> ordered(const std::vector<std::string>& texts) {
  std::vector<Endpoint> addresses;
  for (const std::string& text : texts) {
    addresses.push_back(Endpoint::parse(text).value());
  }
  std::vector<std::string> all;
  for (const Endpoint& one : in_order(std::move(addresses))) {
    all.push_back(one.to_string());
  }
  return all;
}

TEST(Pools, addresses_have_one_order_whatever_dns_deals_out) {
  const std::vector<std::string> expected{"10.0.0.1:143", "10.0.0.2:143", "10.0.0.30:143"};
  EXPECT_EQ(ordered({"10.0.0.30:143", "10.0.0.1:143", "10.0.0.2:143"}), expected);
  EXPECT_EQ(ordered({"10.0.0.2:143", "10.0.0.30:143", "10.0.0.1:143"}), expected);
  EXPECT_EQ(ordered({"10.0.0.2:143", "10.0.0.1:143", "10.0.0.2:143", "10.0.0.30:143"}), expected);
  EXPECT_TRUE(ordered({}).empty());
}

TEST(Pools, the_family_that_the_system_prefers_stays_the_first) {
  EXPECT_EQ(ordered({"[::2]:143", "10.0.0.2:143", "[::1]:143", "10.0.0.1:143"}),
            (std::vector<std::string>{"[::1]:143", "[::2]:143", "10.0.0.1:143", "10.0.0.2:143"}));
  EXPECT_EQ(ordered({"10.0.0.2:143", "[::2]:143", "[::1]:143"}),
            (std::vector<std::string>{"10.0.0.2:143", "[::1]:143", "[::2]:143"}));
}

}  // namespace
}  // namespace headgate::server
