#include "proof/scram_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/base64.h"
#include "proof/password_hash.h"
#include "proof/scram_decoys.h"

namespace headgate::proof {
namespace {

using net::Digest;
using testing::HasSubstr;
using testing::Not;

// The examples of RFC 7677 section 3 and RFC 5802 section 5, password "pencil".
constexpr std::string_view kSha256 =
    "4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
constexpr std::string_view kSha1 =
    "4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=";

TEST(ScramKeys, ThoseOfTheRfcsAreMadeOfTheirPassword) {
  for (const auto& [digest, text] : {std::pair(Digest::kSha256, kSha256), {Digest::kSha1, kSha1}}) {
    const auto keys = ScramKeys::parse(digest, text);
    ASSERT_TRUE(keys) << keys.error();
    EXPECT_EQ(keys->iterations, 4096U);
    const ScramKeys made = ScramKeys::derive(digest, Secret("pencil"), keys->salt.view(), 4096);
    EXPECT_TRUE(made.stored_key.equals(keys->stored_key.view()));
    EXPECT_TRUE(made.server_key.equals(keys->server_key.view()));
    EXPECT_TRUE(keys->matches(Secret("pencil")));
    EXPECT_FALSE(keys->matches(Secret("Pencil")));
    EXPECT_FALSE(keys->matches(Secret()));
  }
}

TEST(ScramKeys, PasswordsArePreparedBySaslprepWhereTheyCanBe) {
  const std::string salt = "0123456789abcdef";
  const auto made = [&](std::string_view password) {
    return ScramKeys::derive(Digest::kSha256, Secret(password), salt, 4096);
  };
  // RFC 4013 section 3: a soft hyphen is nothing, ROMAN NUMERAL NINE is "IX".
  EXPECT_TRUE(made("I\u00ADX").stored_key.equals(made("IX").stored_key.view()));
  EXPECT_TRUE(made("\u2168").stored_key.equals(made("IX").stored_key.view()));
  // Latin-1 is not UTF-8; it is a password all the same.
  EXPECT_FALSE(made("gr\xFC\xDF").stored_key.equals(made("gr").stored_key.view()));
}

TEST(ScramKeys, WhatCannotBeKeysIsRefusedWithoutRepeatingThem) {
  for (const std::string text :
       {"", "4096",
        "4095,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=",
        "10000001,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=",
        "4096,,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=",
        "4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,",
        "4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=,x"}) {
    const auto keys = ScramKeys::parse(Digest::kSha1, text);
    ASSERT_FALSE(keys) << text;
    EXPECT_THAT(keys.error(), Not(HasSubstr("QSXCR")));
  }
  EXPECT_FALSE(ScramKeys::parse(Digest::kSha256, kSha1)) << "keys of another length";
}

TEST(ScramKeys, AStoredScramSecretAlsoVerifiesAPasswordThatIsTold) {
  const auto hash = PasswordHash::parse("{SCRAM-SHA-256}" + std::string(kSha256));
  ASSERT_TRUE(hash) << hash.error();
  EXPECT_TRUE(hash->matches(Secret("pencil")));
  EXPECT_FALSE(hash->matches(Secret("pencils")));
  EXPECT_EQ(hash->cost_class(), "{SCRAM-SHA-256}4096$");
  EXPECT_EQ(hash->clear(), nullptr);
  EXPECT_EQ(hash->clone().scram()->digest, Digest::kSha256);
  const auto bad = PasswordHash::parse("{scram-sha-1}" + std::string(kSha256));
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error(), HasSubstr("SCRAM keys"));
}

TEST(ScramDecoys, AUsersSaltStaysTheSameAndNoTwoUsersHaveTheSame) {
  const ScramDecoys decoys;
  const auto salt = [&](std::string_view user) { return decoys.salt(Digest::kSha1, user, 16); };
  EXPECT_TRUE(salt("nobody").equals(salt("NoBody").view()));
  EXPECT_FALSE(salt("nobody").equals(salt("somebody").view()));
  EXPECT_FALSE(salt("nobody").equals(decoys.salt(Digest::kSha256, "nobody", 16).view()));
  EXPECT_FALSE(salt("nobody").equals(ScramDecoys().salt(Digest::kSha1, "nobody", 16).view()));
  EXPECT_EQ(decoys.salt(Digest::kSha1, "nobody", 100).size(), 100U);
}

TEST(ScramDecoys, TheFirstKeysThatAreSeenAreWhatAllLookLike) {
  ScramDecoys decoys;
  EXPECT_EQ(decoys.keys(Digest::kSha256, "nobody").iterations, 4096U);
  decoys.note(Digest::kSha256, {.iterations = 10000, .salt = 40});
  decoys.note(Digest::kSha256, {.iterations = 20000, .salt = 16});
  const ScramKeys keys = decoys.keys(Digest::kSha256, "nobody");
  EXPECT_EQ(keys.iterations, 10000U);
  EXPECT_EQ(keys.salt.size(), 40U);
  EXPECT_EQ(keys.stored_key.size(), 32U);
  EXPECT_EQ(decoys.keys(Digest::kSha1, "nobody").iterations, 4096U);
}

}  // namespace
}  // namespace headgate::proof
