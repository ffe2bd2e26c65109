#include "server/operations/child_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

namespace headgate::server {
namespace {

using testing::HasSubstr;

std::string end_of(ChildProcess& process) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < until) {
    if (auto end = process.finished()) {
      return *end;
    }
    ::poll(nullptr, 0, 2);
  }
  return "it still runs";
}

std::string end_of_shell(const std::string& script) {
  auto process = ChildProcess::start({"/bin/sh", "-c", script}, {"NAME=a value"});
  return process ? end_of(*process) : process.error();
}

TEST(ChildProcess, one_that_ends_well_has_nothing_to_say) {
  EXPECT_EQ(end_of_shell("echo fine"), "");
}

TEST(ChildProcess, a_failure_comes_with_the_last_line) {
  EXPECT_EQ(end_of_shell("echo one; echo two >&2; exit 3"), "exit code 3: two");
  EXPECT_EQ(end_of_shell("exit 1"), "exit code 1");
  EXPECT_EQ(end_of_shell("printf 'a\\033b'; exit 1"), "exit code 1: a\\x1bb");
  EXPECT_THAT(end_of_shell("kill -9 $$"), HasSubstr("signal 9"));
}

TEST(ChildProcess, it_has_the_environment_that_is_given_and_no_other) {
  EXPECT_EQ(end_of_shell("echo \"$NAME,$HOME,$(pwd)\"; exit 1"), "exit code 1: a value,,/");
}

TEST(ChildProcess, output_without_end_holds_up_nothing) {
  EXPECT_THAT(end_of_shell("head -c 300000 /dev/zero | tr '\\0' x; exit 1"),
              HasSubstr("exit code 1: xxx"));
}

TEST(ChildProcess, a_program_that_is_not_there_is_an_error) {
  const auto process = ChildProcess::start({"/nowhere/at/all"}, {});
  ASSERT_FALSE(process);
  EXPECT_THAT(process.error(), HasSubstr("/nowhere/at/all: No such file"));
}

TEST(ChildProcess, one_that_is_given_up_is_killed_with_what_it_has_started) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  {
    // Both processes hold the pipe's end: it is over when both are gone.
    auto process = ChildProcess::start({"/bin/sh", "-c", "sleep 1000 & wait"}, {});
    ASSERT_TRUE(process) << process.error();
    ::close(ends[1]);
    EXPECT_FALSE(process->finished().has_value());
  }
  pollfd end{.fd = ends[0], .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&end, 1, 20'000), 1);
  EXPECT_NE(end.revents & POLLHUP, 0);
  ::close(ends[0]);
}

}  // namespace
}  // namespace headgate::server
