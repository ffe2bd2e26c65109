#include "base/one_line.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace headgate {
namespace {

TEST(OneLine, IsWhatNeitherEndsALineNorCutsAString) {
  EXPECT_TRUE(is_one_line(""));
  EXPECT_TRUE(is_one_line("any\tother \x01\x7f\xff byte"));
  for (const char byte : {'\r', '\n', '\0'}) {
    EXPECT_FALSE(is_one_line(std::string_view(&byte, 1))) << static_cast<int>(byte);
    EXPECT_FALSE(is_one_line(std::string("a").append(1, byte).append("b")));
  }
}

}  // namespace
}  // namespace headgate
