#include "server/certificates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace headgate::server {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::chrono::sys_days kToday = 2026y / 11 / 22;

net::CertificateFacts facts(std::string file, std::chrono::sys_seconds end,
                            std::string fingerprint = "aa") {
  return {.file = std::move(file), .not_after = end, .fingerprint = std::move(fingerprint)};
}

TEST(Certificates, NearTheirEndAreWarnedOf) {
  const Certificates all = {facts("good.pem", kToday + std::chrono::days(14)),
                            facts("soon.pem", kToday + std::chrono::days(13) + 23h),
                            facts("last.pem", kToday + 1h),
                            facts("over.pem", kToday - std::chrono::days(1))};
  EXPECT_THAT(expiry_warnings(all, kToday), ElementsAre("soon.pem: ends in 13 days, on 2026-12-05",
                                                        "last.pem: ends in 0 days, on 2026-11-22",
                                                        "over.pem: ended on 2026-11-21"));
  EXPECT_THAT(expiry_warnings({}, kToday), IsEmpty());
}

TEST(Certificates, ReplacedInTheirFileAreAChange) {
  const Certificates before = {facts("a.pem", kToday, "aa"), facts("b.pem", kToday, "bb")};
  EXPECT_THAT(replaced(before, before), IsEmpty());
  const Certificates after = {facts("b.pem", kToday + std::chrono::days(90), "cc"),
                              facts("new.pem", kToday, "dd")};
  const config::Difference changes = replaced(before, after);
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].to_string(),
            "tls.certificates[0], what b.pem holds: until 2026-11-22, SHA-256 bb -> until "
            "2027-02-20, SHA-256 cc");
}

}  // namespace
}  // namespace headgate::server
