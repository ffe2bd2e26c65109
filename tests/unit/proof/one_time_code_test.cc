#include "proof/one_time_code.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::proof {
namespace {

using metrics::Factor;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kRfcSecret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";  // of RFC 6238

TotpSecret rfc_secret() {
  return TotpSecret::parse(kRfcSecret).value();
}

seconds the_time{59};
seconds test_time() {
  return the_time;
}

TEST(TotpSecret, TheCodesAreThoseOfTheRfc) {
  // RFC 6238 appendix B, SHA-1; the last six of its eight digits.
  const std::pair<std::int64_t, std::string_view> codes[] = {
      {59, "287082"},         {1111111109, "081804"}, {1111111111, "050471"},
      {1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"}};
  for (const auto& [time, code] : codes) {
    EXPECT_EQ(rfc_secret().step_of(code, seconds(time)), static_cast<std::uint64_t>(time / 30));
  }
}

TEST(TotpSecret, OneStepBeforeAndBehindIsTakenAndNoMore) {
  const TotpSecret secret = rfc_secret();
  EXPECT_TRUE(secret.step_of("287082", seconds(0)));
  EXPECT_TRUE(secret.step_of("287082", seconds(89)));
  EXPECT_FALSE(secret.step_of("287082", seconds(90)));
  EXPECT_FALSE(secret.step_of("", seconds(59)));
  EXPECT_FALSE(secret.step_of("28708", seconds(59)));
  EXPECT_FALSE(secret.step_of("2870822", seconds(59)));
}

TEST(TotpSecret, ItIsReadAsPeopleCopyItAndAFaultIsSaidWithoutIt) {
  EXPECT_TRUE(TotpSecret::parse("gezd gnbv gy3t qojq gezd gnbv gy3t qojq"));
  EXPECT_TRUE(TotpSecret::parse("JBSWY3DPEHPK3PXP"));
  for (const char* wrong : {"", "0189", "JBSWY3DP", "GEZDGNBVGY3TQOJQ!"}) {
    const auto parsed = TotpSecret::parse(wrong);
    ASSERT_FALSE(parsed) << wrong;
    EXPECT_THAT(parsed.error(), HasSubstr("expected base32"));
  }
  EXPECT_THAT(TotpSecret::parse("JBSWY3DP").error(), Not(HasSubstr("JBSWY3DP")));
  EXPECT_FALSE(TotpSecret::parse(std::string(1000, 'A')));
}

TEST(UsedCodes, ACodeIsGoodOnceAndNoneBeforeItIsGoodAfterwards) {
  the_time = seconds(1111111111);
  UsedCodes codes(16, test_time);
  const TotpSecret secret = rfc_secret();
  EXPECT_EQ(codes.check(secret, "050471", "one", true), Factor::kTotp);
  EXPECT_EQ(codes.check(secret, "050471", "two", true), Factor::kTotpReplayed);
  EXPECT_EQ(codes.check(secret, "050471", "", true), Factor::kTotpReplayed);
  EXPECT_EQ(codes.check(secret, "081804", "two", true), Factor::kTotpReplayed) << "the step before";
  EXPECT_EQ(codes.check(secret, "000000", "two", true), Factor::kTotpWrong);
  EXPECT_EQ(codes.check(secret, "", "two", true), Factor::kTotpMissing);
}

TEST(UsedCodes, TheLoginThatUsedACodeMayAskAgain) {
  the_time = seconds(59);
  UsedCodes codes(16, test_time);
  const TotpSecret secret = rfc_secret();
  EXPECT_EQ(codes.check(secret, "287082", "one", true), Factor::kTotp);
  EXPECT_EQ(codes.check(secret, "287082", "one", true), Factor::kTotp);
}

TEST(UsedCodes, ALookWithoutUseLeavesTheCodeGood) {
  the_time = seconds(59);
  UsedCodes codes(16, test_time);
  const TotpSecret secret = rfc_secret();
  EXPECT_EQ(codes.check(secret, "287082", "one", false), Factor::kTotp);
  EXPECT_EQ(codes.check(secret, "287082", "two", true), Factor::kTotp);
}

TEST(UsedCodes, MemoryIsBoundedAndFreeAgainWhenTheCodesAreTooOld) {
  the_time = seconds(59);
  UsedCodes codes(1, test_time);
  const TotpSecret other = TotpSecret::parse("JBSWY3DPEHPK3PXP").value();
  std::string code;
  for (int i = 0; code.empty(); ++i) {  // the other secret's code of this step
    std::string candidate = std::to_string(1'000'000 + i).substr(1);
    if (other.step_of(candidate, seconds(59)) == 1U) {
      code = candidate;
    }
  }
  EXPECT_EQ(codes.check(rfc_secret(), "287082", "one", true), Factor::kTotp);
  EXPECT_EQ(codes.check(other, code, "two", true), Factor::kTotpOverload);
  the_time = seconds(1111111111);
  EXPECT_EQ(codes.check(rfc_secret(), "050471", "three", true), Factor::kTotp);
}

TEST(PasswordAndCode, SixDigitsAtTheEndAreTheCode) {
  const auto split = [](std::string_view given) {
    const PasswordAndCode parts{Secret(given)};
    return std::pair(std::string(parts.password.view()), std::string(parts.code.view()));
  };
  using Parts = std::pair<std::string, std::string>;
  EXPECT_EQ(split("sesame123456"), Parts("sesame", "123456"));
  EXPECT_EQ(split("1234567"), Parts("1", "234567"));
  EXPECT_EQ(split("sesame12345"), Parts("sesame12345", ""));
  EXPECT_EQ(split("123456"), Parts("123456", ""));
  EXPECT_EQ(split(""), Parts("", ""));
}

}  // namespace
}  // namespace headgate::proof
