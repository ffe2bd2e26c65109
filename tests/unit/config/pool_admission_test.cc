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
using testing::HasSubstr;

std::string with_pool(const std::string& keys) {
  return "listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
         "pools: {main: {" +
         keys +
         ", backends: [{address: \"b:143\"}]}}\n"
         "users: [{source: backend, pool: main}]\n";
}

std::vector<std::string> errors_of(const std::string& keys) {
  std::vector<std::string> lines;
  if (const auto loaded = load_text("t.yaml", with_pool(keys), Files::kIgnore); !loaded) {
    for (const Error& error : loaded.error()) {
      lines.push_back(error.key + ": " + error.expected);
    }
  }
  return lines;
}

TEST(PoolAdmission, EveryKeyReachesItsMember) {
  const auto config = load_text("t.yaml",
                                with_pool("admission: {enabled: false, least: 4, most: 50, queue: "
                                          "7, queue_timeout: 250ms}"),
                                Files::kIgnore);
  ASSERT_TRUE(config.has_value()) << config.error().front().to_string();
  const Admission& admission = config->pools.at(0).admission;
  EXPECT_FALSE(admission.enabled);
  EXPECT_EQ(admission.least, 4U);
  EXPECT_EQ(admission.most, 50U);
  EXPECT_EQ(admission.queue, 7U);
  EXPECT_EQ(admission.queue_timeout, 250ms);
}

TEST(PoolAdmission, IsOnWhereNothingIsSaidOfIt) {
  const auto config = load_text("t.yaml", with_pool("login_timeout: 2s"), Files::kIgnore);
  ASSERT_TRUE(config.has_value()) << config.error().front().to_string();
  EXPECT_TRUE(config->pools.at(0).admission.enabled);
}

TEST(PoolAdmission, BadValuesHaveClearErrors) {
  EXPECT_THAT(errors_of("admission: {enabled: maybe, least: 0, queue: -1, queue_timeout: 3}"),
              ElementsAre(HasSubstr("pools.main.admission.enabled: "),
                          HasSubstr("pools.main.admission.least: a whole number from 1 to 100000"),
                          HasSubstr("pools.main.admission.queue: a whole number from 0 to 1000000"),
                          HasSubstr("pools.main.admission.queue_timeout: a duration")));
  EXPECT_THAT(errors_of("admission: {least: 20, most: 10}"),
              ElementsAre("pools.main.admission.most: most (10) not below least (20)"));
  EXPECT_THAT(errors_of("admission: {least: 2000}"),
              ElementsAre("pools.main.admission.least: most (1000) not below least (2000)"));
  EXPECT_THAT(errors_of("login_timeout: 5s, admission: {queue_timeout: 6s}"),
              ElementsAre("pools.main.admission.queue_timeout: at most the pool's login_timeout "
                          "(5s), found 6s"));
}

}  // namespace
}  // namespace headgate::config
