#include "proof/password_hash.h"

#include <crypt.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace headgate::proof {
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

// Made by `doveadm pw` of Dovecot 2.3.
TEST(PasswordHash, WhatDovecotWritesIsUnderstood) {
  for (const char* text :
       {"{SSHA}PDgrz64T6deS6Cewf2jv7eLSQkxJAuaN",
        "{SSHA256}18ck9fpOzwaMSHrMWkmfWcKBzhWFHFv4l93n26WWDHPOb2mc",
        "{SSHA512}LnBBi87c7uisiNe5QO+WC3TRt68KTxJrfuvlg9aSvKxv33SgQpzLBPEQqrlnhwXBLPaLXrSW++vg"
        "RU8G/ldk6WjSSfk=",
        "{PBKDF2}$1$vy.zMHMBr4S9iDbs$5000$606d5d2f2824cb66798fa0ba02b94c33b1534949",
        "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$HbTzXWcrBGvFiTBVEsmceg$27/1GFftFn4nkGnnyym8es3z"
        "TOAqgOSXphRqb9WZuBk",
        "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$p3gT9e18t592WpMLJcDGNQ$dR22Q7cZMYkNYMNPq0Reot"
        "j2vdVVDnd1I8z8aS25Gos",
        "$argon2id$v=19$m=65536,t=3,p=1$p3gT9e18t592WpMLJcDGNQ$dR22Q7cZMYkNYMNPq0Reotj2vdVVDnd1"
        "I8z8aS25Gos",
        "{BLF-CRYPT}$2y$05$MqFfY95XhEoFeqsG.PlCyOML6SW35zjq1Yy828alpYLfUvVEHboza",
        "{SHA}CEo1Ae3vaEXy8eQZjsOiuBz1xrw=", "{SHA1}CEo1Ae3vaEXy8eQZjsOiuBz1xrw=",
        "{SHA256}0MBPSxlR5K6q7IIj7SA55ULzqugFpvp/bXlOWv/10nI=",
        "{SHA512}u5R+nJalYgxpa9F1obKO6mM3+oymw90Z77ZeLLGk3+4CVsyHwhWJNU8an1iHr10jzgXXKhQ64vHv6p"
        "xFW/PQVg==",
        "{ssha.hex}36d83d9a68d98eac8ce11c5f6982abd5392144363b38f406"}) {
    const auto hash = PasswordHash::parse(text);
    ASSERT_TRUE(hash.has_value()) << text << ": " << hash.error();
    EXPECT_TRUE(hash->matches(Secret("sesame"))) << text;
    EXPECT_TRUE(hash->clone().matches(Secret("sesame"))) << text;
    for (const char* wrong : {"", "sesam", "sesame ", "Sesame"}) {
      EXPECT_FALSE(hash->matches(Secret(wrong))) << text << " with " << wrong;
    }
  }
}

TEST(PasswordHash, AHashThatWouldCostTooMuchIsRefused) {
  const std::string argon2_end = "$p3gT9e18t592WpMLJcDGNQ$dR22Q7cZMYkNYMNPq0Reotj2vdVVDnd1";
  for (const std::string& text :
       {"{ARGON2ID}$argon2id$v=19$m=1048577,t=3,p=1" + argon2_end,
        "{ARGON2ID}$argon2id$v=19$m=65536,t=1001,p=1" + argon2_end,
        "{ARGON2ID}$argon2id$v=19$m=99999999999,t=1,p=1" + argon2_end,
        std::string("{PBKDF2}$1$salt$10000001$606d5d2f2824cb66798fa0ba02b94c33b1534949")}) {
    EXPECT_FALSE(PasswordHash::parse(text).has_value()) << text;
  }
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
  for (const char* text : {"",
                           "secret",
                           "{MD4}secret",
                           "{PLAIN",
                           "{PLAIN}",
                           "$9$secret$x",
                           "$",
                           "{SHA512-CRYPT}$5$secret$x",
                           "{BLF-CRYPT}secret",
                           "{SSHA}secret",
                           "{SSHA}CEo1Ae3vaEXy8eQZjsOiuBz1xrw=",
                           "{SHA}PDgrz64T6deS6Cewf2jv7eLSQkxJAuaN",
                           "{SSHA.secret}CEo1",
                           "{SHA256}secretse",
                           "{PBKDF2}secret",
                           "{PBKDF2}$1$secret$x$00",
                           "{PBKDF2}$2$secret$1$606d5d2f2824cb66798fa0ba02b94c33b1534949",
                           "{ARGON2ID}secret",
                           "{ARGON2I}$argon2id$v=19$m=8,t=1,p=1$c2VjcmV0$c2VjcmV0",
                           "$argon2d$secret",
                           "{ARGON2ID}$argon2id$v=19$m=8$c2VjcmV0$c2VjcmV0",
                           "{}secret",
                           "{CRYPT}"}) {
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
  EXPECT_EQ(cost_class("{SSHA.HEX}36d83d9a68d98eac8ce11c5f6982abd5392144363b38f406"), "{SSHA}");
  EXPECT_EQ(cost_class("{PBKDF2}$1$salt$5000$606d5d2f2824cb66798fa0ba02b94c33b1534949"),
            "{PBKDF2}5000$");
  EXPECT_EQ(cost_class("$argon2id$v=19$m=8,t=1,p=1$c2VjcmV0$c2VjcmV0"),
            "$argon2id$v=19$m=8,t=1,p=1$");
  EXPECT_EQ(cost_class("{CRYPT}abJnggxhB/yWI"), "{DES}");
}

TEST(PasswordHash, AnEndlessPasswordIsWrongAndCheap) {
  const auto hash = PasswordHash::parse(crypt_with("$6$", 1000, "x"));
  EXPECT_FALSE(hash->matches(Secret(std::string(1'000'000, 'x'))));
}

}  // namespace
}  // namespace headgate::proof
