#include "auth/passed_rounds.h"

#include <gtest/gtest.h>

#include <optional>

namespace headgate::auth {
namespace {

TEST(UserInMessage, IsWhatTheMechanismTellsInTheClear) {
  EXPECT_EQ(user_in_message("CRAM-MD5", "alice in chains 0123abcd"), "alice in chains");
  EXPECT_EQ(user_in_message("SCRAM-SHA-256", "n,,n=alice,r=abc"), "alice");
  EXPECT_EQ(user_in_message("DIGEST-MD5", "charset=utf-8,username=\"alice\",nonce=\"x\""), "alice");
  EXPECT_EQ(user_in_message("DIGEST-MD5", "username=\"al\\\"ice\",realm=\"\""), "al\"ice");
  EXPECT_EQ(user_in_message("DIGEST-MD5", "realm=\"example.org\",username=\"alice\""),
            "alice@example.org");
  EXPECT_EQ(user_in_message("DIGEST-MD5", "realm=\"example.org\",username=\"alice@a\""), "alice@a");
  EXPECT_EQ(user_in_message("DIGEST-MD5", "nc=1,\tUserName = \"alice\" ,cnonce=\"y\""), "alice");
  EXPECT_EQ(user_in_message("DIGEST-MD5", "username=alice,realm="), "alice");
  EXPECT_EQ(user_in_message("DIGEST-MD5", "cnonce=\",username=\\\"bob\",username=\"alice\""),
            "alice");
  EXPECT_EQ(user_in_message("OTP", std::string_view("\0alice", 6)), "alice");
  EXPECT_EQ(user_in_message("OTP", std::string_view("boss\0alice", 10)), "alice");
  EXPECT_EQ(user_in_message("OTP", "alice"), "");
  EXPECT_EQ(user_in_message("OTP", ""), "");
  EXPECT_EQ(user_in_message("GSSAPI", "username=\"alice\""), "");
}

TEST(UserInMessage, OfNonsenseIsNobody) {
  for (const char* const message : {"", "username=", "username=\"", "xusername=\"alice\"",
                                    "username", "username=\"a\r\nb\"", "username=\"\xff\""}) {
    EXPECT_EQ(user_in_message("DIGEST-MD5", message), "") << message;
  }
}

}  // namespace
}  // namespace headgate::auth
