#include "balance/count_table.h"

#include <gtest/gtest.h>

namespace headgate::balance {
namespace {

TEST(CountTable, CountsUpToTheLimitAndForgetsWhatHasNone) {
  CountTable table(1);
  EXPECT_TRUE(table.add(7, 2));
  EXPECT_TRUE(table.add(7, 2));
  EXPECT_FALSE(table.add(7, 2));
  EXPECT_TRUE(table.add(8, 2));
  EXPECT_EQ(table.count(7), 2U);
  table.remove(7);
  EXPECT_TRUE(table.add(7, 2));
  table.remove(7);
  table.remove(7);
  EXPECT_EQ(table.count(7), 0U);
  EXPECT_EQ(table.stats(1).keys, 1U);
  EXPECT_FALSE(table.add(9, 0));
  EXPECT_EQ(table.stats(1).keys, 1U);
}

TEST(CountTable, SaysWhoHasMostAndHowManyAreNear) {
  CountTable table(1);
  for (std::uint64_t key = 0; key < 100; ++key) {
    for (std::uint64_t i = 0; i <= key; ++i) {
      table.add(key, 1000);
    }
  }
  EXPECT_EQ(table.stats(91).keys, 100U);
  EXPECT_EQ(table.stats(91).most, 100U);
  EXPECT_EQ(table.stats(91).near, 10U);
  EXPECT_EQ(table.stats(0).near, 0U);
}

TEST(NetworkKey, IsTheSameWithinThePrefixAndForNoOther) {
  const auto key = [](std::string_view text, unsigned ipv4, unsigned ipv6) {
    return network_key(IpAddress::parse(text).value(), ipv4, ipv6);
  };
  EXPECT_EQ(key("192.0.2.1", 24, 64), key("192.0.2.254", 24, 64));
  EXPECT_NE(key("192.0.2.1", 24, 64), key("192.0.3.1", 24, 64));
  EXPECT_EQ(key("192.0.2.4", 30, 64), key("192.0.2.7", 30, 64));
  EXPECT_NE(key("192.0.2.4", 30, 64), key("192.0.2.8", 30, 64));
  EXPECT_NE(key("192.0.2.1", 32, 64), key("192.0.2.2", 32, 64));
  EXPECT_EQ(key("2001:db8::1", 32, 56), key("2001:db8:0:ff::2", 32, 56));
  EXPECT_NE(key("2001:db8::1", 32, 56), key("2001:db8:0:100::1", 32, 56));
  EXPECT_NE(key("2001:db8::1", 32, 128), key("2001:db8::2", 32, 128));
  EXPECT_NE(key("0.0.0.0", 32, 64), key("::", 32, 64));
}

}  // namespace
}  // namespace headgate::balance
