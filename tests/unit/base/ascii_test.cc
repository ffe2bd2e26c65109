#include "base/ascii.h"

#include <gtest/gtest.h>

namespace headgate {
namespace {

TEST(Ascii, LettersOfAsciiAloneHaveACase) {
  EXPECT_EQ(lower_case("AZaz09@[`{"), "azaz09@[`{");
  EXPECT_EQ(lower_case("\xC3\x84"), "\xC3\x84");
  EXPECT_TRUE(equals_ignoring_case("Bearer", "bEARER"));
  EXPECT_FALSE(equals_ignoring_case("Bearer", "Bearer "));
  EXPECT_FALSE(equals_ignoring_case("\xC3\x84", "\xC3\xA4"));
  EXPECT_FALSE(equals_ignoring_case("@", "`"));
}

}  // namespace
}  // namespace headgate
