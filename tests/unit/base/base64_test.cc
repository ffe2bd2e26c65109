#include "base/base64.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace headgate {
namespace {

const std::vector<std::pair<std::string, std::string>> kPairs = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {std::string("\0\xff\x80", 3), "AP+A"},
    {"\xfb\xff", "+/8="},
};

TEST(Base64, EncodesTheExamplesOfTheRfc) {
  for (const auto& [plain, encoded] : kPairs) {
    EXPECT_EQ(base64_encode(plain), encoded);
    Secret out("x");
    base64_encode(plain, out);
    EXPECT_EQ(out.view(), "x" + encoded);
  }
}

TEST(Base64, DecodesTheExamplesOfTheRfc) {
  for (const auto& [plain, encoded] : kPairs) {
    const auto decoded = base64_decode(encoded);
    ASSERT_TRUE(decoded.has_value()) << encoded;
    EXPECT_EQ(decoded->view(), plain);
  }
}

TEST(Base64, DecodesWhatItEncodesForEveryByteAndLength) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    bytes += static_cast<char>(i * 7);
    const auto decoded = base64_decode(base64_encode(bytes));
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(decoded->view(), bytes);
  }
}

TEST(Base64, RefusesWhatIsNotExactlyBase64) {
  for (const std::string_view text :
       {"Z",         "Zg",   "Zg=",  "Zm9",    "=",        "==",         "====",  "Z===",
        "Zg==Zg==",  "Zg=a", "Z=g=", "Zm9v\n", "Zm9v\r\n", " Zm9v",      "Zm9v ", "Zm\t=",
        "Zm9\tZm9v", "Zm-_", "Zh==", "Zm9=",   "Zm\x80v",  "Zg==\r\n==", "*",     "Zm9*"}) {
    EXPECT_FALSE(base64_decode(text).has_value()) << text;
  }
  EXPECT_FALSE(base64_decode(std::string_view("Zm\0v", 4)).has_value());
}

TEST(Base64Url, DecodesWithoutPaddingAndRefusesTheOtherAlphabet) {
  EXPECT_EQ(base64url_decode("")->view(), "");
  EXPECT_EQ(base64url_decode("Zg")->view(), "f");
  EXPECT_EQ(base64url_decode("Zm8")->view(), "fo");
  EXPECT_EQ(base64url_decode("-_-_")->view(), "\xfb\xff\xbf");
  for (const std::string_view text :
       {"Z", "Zg==", "Zg=", "+/+/", "Zh", "Zm9", "Zm9vZ", "Zm 9", "Zm9v\n"}) {
    EXPECT_FALSE(base64url_decode(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace headgate
