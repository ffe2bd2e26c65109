#include "sources/pam_helper.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>
#include <string>
#include <thread>

#include "base/unique_fd.h"

namespace headgate::sources {
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

TEST(PamHelper, ends_after_a_thousand_messages_so_that_modules_may_leak) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  int code = -1;
  std::thread helper([&] {
    code = run_pam_helper(theirs.get(), "none", "");
    theirs.reset();
  });
  int answers = 0;
  char byte = 'x';  // no question: no module is asked, and it is answered
  while (::send(ours.get(), &byte, 1, MSG_NOSIGNAL) == 1 && ::recv(ours.get(), &byte, 1, 0) == 1) {
    ++answers;
  }
  helper.join();
  EXPECT_EQ(answers, 1000);
  EXPECT_EQ(code, EXIT_SUCCESS);
}

}  // namespace
}  // namespace headgate::sources
