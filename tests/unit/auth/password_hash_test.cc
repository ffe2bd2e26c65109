#include "auth/password_hash.h"

#include <crypt.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace headgate::auth {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string crypt_with(const std::string& prefix, unsigned long cost, const char* password) {
  char setting[CRYPT_GENSALT_OUTPUT_SIZE];
  crypt_data data{};
  return ::crypt_r(password,
                   ::crypt_gensalt_rn(prefix.c_str(), cost, nullptr, 0, setting, sizeof setting),
                   &data);
}

TEST(PasswordHash, EverySchemeTakesTheRightPasswordAndNoOther) {
  const std::string password = "pässword 1:x";
  const std::vector<std::string> stored = {
      crypt_with("$6$", 1000, password.c_str()),
      crypt_with("$5$", 1000, password.c_str()),
      crypt_with("$2b$", 4, password.c_str()),
      crypt_with("$y$", 1, password.c_str()),
      crypt_with("$1$", 0, password.c_str()),
      "{CRYPT}" + crypt_with("$6$", 1000, password.c_str()),
      "{SHA512-CRYPT}" + crypt_with("$6$", 1000, password.c_str()),
      "{sha256-crypt}" + crypt_with("$5$", 1000, password.c_str()),
      "{BLF-CRYPT}" + crypt_with("$2y$", 4, password.c_str()),
      "{MD5-CRYPT}" + crypt_with("$1$", 0, password.c_str()),
      "{PLAIN}" + password,
      "{CLEARTEXT}" + password};
  for (const std::string& text : stored) {
    const auto hash = PasswordHash::parse(text);
    ASSERT_TRUE(hash.has_value()) << text << ": " << hash.error();
    EXPECT_TRUE(hash->matches(Secret(password))) << text;
    EXPECT_TRUE(hash->clone().matches(Secret(password))) << text;
    for (const std::string& wrong :
         {std::string(), std::string("x"), password + "x", password.substr(1),
          password + std::string(1, '\0'), password + std::string("\0x", 2), text}) {
      EXPECT_FALSE(hash->matches(Secret(wrong))) << text << " with " << wrong;
    }
  }
}

TEST(PasswordHash, AKnownVectorOfAnotherImplementation) {
  // From the specification of SHA-crypt (Drepper).
  const auto hash = PasswordHash::parse(
      "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJ"
      "uesI68u4OTLiBFdcbYEdFCoEOfaS35inz1");
  ASSERT_TRUE(hash.has_value());
  EXPECT_TRUE(hash->matches(Secret("Hello world!")));
  EXPECT_FALSE(hash->matches(Secret("Hello world?")));
}

TEST(PasswordHash, ALockedAccountOpensForNothing) {
  for (const char* text : {"*", "!", "!!", "!$6$saltstring$abc"}) {
    const auto hash = PasswordHash::parse(text);
    ASSERT_TRUE(hash.has_value()) << text;
    EXPECT_FALSE(hash->matches(Secret(text)));
    EXPECT_FALSE(hash->matches(Secret("")));
    EXPECT_EQ(hash->cost_class(), "");
  }
}

TEST(PasswordHash, WhatIsNoHashIsRefusedWithoutRepeatingIt) {
  for (const char* text :
       {"", "secret", "{MD4}secret", "{PLAIN", "{PLAIN}", "$9$secret$x", "$",
        "{SHA512-CRYPT}$5$secret$x", "{BLF-CRYPT}secret", "{}secret", "{CRYPT}"}) {
    const auto hash = PasswordHash::parse(text);
    ASSERT_FALSE(hash.has_value()) << text;
    EXPECT_THAT(hash.error(), HasSubstr("expected a crypt(3) hash"));
    EXPECT_THAT(hash.error(), Not(HasSubstr("secret")));
  }
}

TEST(PasswordHash, TheCostClassIsSchemeAndCost) {
  const auto cost_class = [](const char* text) {
    return std::string(PasswordHash::parse(text).value().cost_class());
  };
  EXPECT_EQ(cost_class("$6$saltstring$abc"), "$6$");
  EXPECT_EQ(cost_class("$6$rounds=9000$saltstring$abc"), "$6$rounds=9000$");
  EXPECT_EQ(cost_class("$2b$12$abcdefghijklmnopqrstuu"), "$2b$12$");
  EXPECT_EQ(cost_class("$y$j9T$saltsalt$abc"), "$y$j9T$");
  EXPECT_EQ(cost_class("{PLAIN}x"), "{PLAIN}");
  EXPECT_EQ(cost_class("{CRYPT}abJnggxhB/yWI"), "{DES}");
}

TEST(PasswordHash, AnEndlessPasswordIsWrongAndCheap) {
  const auto hash = PasswordHash::parse(crypt_with("$6$", 1000, "x"));
  EXPECT_FALSE(hash->matches(Secret(std::string(1'000'000, 'x'))));
}

}  // namespace
}  // namespace headgate::auth
