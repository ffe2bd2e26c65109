#include "auth/pam_helper.h"

#include <gtest/gtest.h>

#include <string>

namespace headgate::auth {
namespace {

using namespace std::string_view_literals;

TEST(PamHelper, a_question_arrives_as_it_was_asked) {
  const Secret message = encode(PamQuestion{"alice", "192.0.2.1", "pass word"});
  PamQuestion question;
  ASSERT_TRUE(decode(message.view(), question));
  EXPECT_EQ(question.user, "alice");
  EXPECT_EQ(question.client, "192.0.2.1");
  EXPECT_EQ(question.password, "pass word");
}

TEST(PamHelper, a_name_cannot_end_early_and_bring_a_password_of_its_own) {
  const Secret message = encode(PamQuestion{"alice\0192.0.2.1\0guess"sv, "192.0.2.1", "x"});
  PamQuestion question;
  EXPECT_FALSE(decode(message.view(), question));
}

TEST(PamHelper, what_is_no_question_is_none) {
  PamQuestion question;
  for (const auto message : {""sv, "alice"sv, "alice\0"sv, "a\0b\0c"sv, "a\0b\0c\0d\0"sv}) {
    EXPECT_FALSE(decode(message, question)) << message.size();
  }
}

TEST(PamHelper, an_answer_arrives_as_it_was_given) {
  PamAnswer answer;
  ASSERT_TRUE(decode(encode(PamAnswer{PamVerdict::kAccepted, "bob"}).view(), answer));
  EXPECT_EQ(answer.verdict, PamVerdict::kAccepted);
  EXPECT_EQ(answer.text, "bob");
  ASSERT_TRUE(decode(encode(PamAnswer{PamVerdict::kFailed, ""}).view(), answer));
  EXPECT_EQ(answer.verdict, PamVerdict::kFailed);
  for (const auto message : {""sv, "/x"sv, "6x"sv, "x"sv}) {
    EXPECT_FALSE(decode(message, answer)) << message;
  }
}

}  // namespace
}  // namespace headgate::auth
