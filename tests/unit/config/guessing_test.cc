#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "config/config.h"

namespace headgate::config {
namespace {

using namespace std::chrono_literals;

std::expected<Config, std::vector<Error>> load_with(const std::string& guessing) {
  return load_text("t.yaml",
                   "listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
                   "pools: {main: {backends: [{address: \"b:143\"}]}}\n"
                   "users: [{source: backend, pool: main}]\n" +
                       guessing,
                   Files::kIgnore);
}

TEST(GuessingConfig, IsOnByDefaultButForThisMachine) {
  const auto config = load_with("");
  ASSERT_TRUE(config.has_value());
  const Guessing& guessing = config->guessing;
  EXPECT_TRUE(guessing.enabled);
  EXPECT_EQ(guessing.address.limit, 200U);
  EXPECT_EQ(guessing.pair.free, 5U);
  ASSERT_EQ(guessing.exempt.size(), 2U);
  EXPECT_TRUE(guessing.exempt[0].contains(IpAddress::parse("127.1.2.3").value()));
  EXPECT_TRUE(guessing.exempt[1].contains(IpAddress::parse("::1").value()));
}

TEST(GuessingConfig, KeysThatAreNotThereKeepTheirDefaults) {
  const auto config = load_with("guessing: {pair: {limit: 9}, forget: 10m, exempt: []}\n");
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->guessing.pair.free, 5U);
  EXPECT_EQ(config->guessing.pair.limit, 9U);
  EXPECT_EQ(config->guessing.forget, 10min);
  EXPECT_TRUE(config->guessing.exempt.empty());
}

TEST(GuessingConfig, ALimitIsNotBelowWhatIsFree) {
  const auto config = load_with("guessing:\n  user: {limit: 9}\n  pair: {free: 20, limit: 0}\n");
  ASSERT_FALSE(config.has_value());
  ASSERT_EQ(config.error().size(), 1U);
  EXPECT_EQ(config.error()[0].to_string(),
            "t.yaml:5: guessing.user.limit: expected 0, or a limit (9) of at least free (10)");
}

}  // namespace
}  // namespace headgate::config
