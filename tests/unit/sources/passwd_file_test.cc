#include "sources/passwd_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/log.h"

namespace headgate::sources {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

class PasswdFileTest : public testing::Test {
 protected:
  PasswdFileTest() {
    std::string name = testing::TempDir() + "passwd_file_XXXXXX";
    directory_ = ::mkdtemp(name.data());
    path_ = directory_ / "users.passwd";
    log::configure(log::Level::kWarning, log::Format::kText);
  }
  ~PasswdFileTest() override {
    std::filesystem::remove_all(directory_);
    log::configure(log::Level::kInfo, log::Format::kText);
  }

  // By rename, as an editor or a configuration manager does it.
  void replace(const std::string& text) const {
    std::ofstream(path_.string() + ".new") << text;
    std::filesystem::rename(path_.string() + ".new", path_);
  }
  std::shared_ptr<PasswdFile> open() const { return PasswdFile::open(path_).value(); }

  std::filesystem::path directory_;
  std::filesystem::path path_;
  const PasswdFile::Clock::time_point start_ = PasswdFile::Clock::now();
};

TEST_F(PasswdFileTest, AChangedFileIsReadAgainButNotWithinASecond) {
  replace("alice:{PLAIN}one\n");
  const auto file = open();
  replace("alice:{PLAIN}one\nbob:{PLAIN}two\n");
  EXPECT_EQ(file->current(start_)->size(), 1U);
  EXPECT_EQ(file->current(start_ + 2s)->size(), 2U);
  replace("");
  EXPECT_EQ(file->current(start_ + 2500ms)->size(), 2U);
  EXPECT_EQ(file->current(start_ + 4s)->size(), 0U);
}

TEST_F(PasswdFileTest, AnExchangeGetsWhatIsStoredUnlessNothingOpensOrACodeIsNeeded) {
  replace(
      "alice:{PLAIN}one\n"
      "locked:!\n"
      "coded:{PLAIN}two:totp=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP\n");
  const auto file = open();
  EXPECT_TRUE(std::holds_alternative<auth::Known>(file->stored("alice")));
  EXPECT_TRUE(std::holds_alternative<auth::Rejected>(file->stored("locked")));
  EXPECT_TRUE(std::holds_alternative<auth::Rejected>(file->stored("coded")));
  EXPECT_TRUE(std::holds_alternative<auth::UnknownHere>(file->stored("nobody")));
}

TEST_F(PasswdFileTest, ASnapshotOutlivesTheNextVersion) {
  replace("alice:{PLAIN}one\n");
  const auto file = open();
  const auto old = file->current(start_);
  replace("bob:{PLAIN}two\n");
  EXPECT_NE(file->current(start_ + 2s)->find("bob"), nullptr);
  EXPECT_NE(old->find("alice"), nullptr);
}

TEST_F(PasswdFileTest, ABrokenFileKeepsTheOldContentsAndWarnsOnceWithTheLine) {
  replace("alice:{PLAIN}one\n");
  const auto file = open();
  replace("alice:{PLAIN}one\nbob:{MD4}secret\n");
  testing::internal::CaptureStderr();
  EXPECT_NE(file->current(start_ + 2s)->find("alice"), nullptr);
  EXPECT_NE(file->current(start_ + 4s)->find("alice"), nullptr);
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("warning passwd file broken, keeping what was read before"));
  EXPECT_THAT(log, HasSubstr("users.passwd:2: expected a crypt(3) hash"));
  EXPECT_EQ(log.find("secret"), std::string::npos);
  EXPECT_EQ(log.find('\n'), log.size() - 1);
}

TEST_F(PasswdFileTest, AMissingFileKeepsTheOldContentsUntilItIsBack) {
  replace("alice:{PLAIN}one\n");
  const auto file = open();
  std::filesystem::remove(path_);
  testing::internal::CaptureStderr();
  EXPECT_EQ(file->current(start_ + 2s)->size(), 1U);
  EXPECT_EQ(file->current(start_ + 4s)->size(), 1U);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("No such file"));
  replace("alice:{PLAIN}one\nbob:{PLAIN}two\n");
  EXPECT_EQ(file->current(start_ + 6s)->size(), 2U);
}

TEST_F(PasswdFileTest, WhatCannotBeReadAtTheStartIsAnErrorThatNamesTheFile) {
  EXPECT_THAT(PasswdFile::open(path_).error(),
              ElementsAre(HasSubstr("users.passwd: No such file")));
  EXPECT_THAT(PasswdFile::open(directory_).error(), ElementsAre(HasSubstr("regular file")));
  ASSERT_EQ(::mkfifo((directory_ / "fifo").c_str(), 0600), 0);
  EXPECT_THAT(PasswdFile::open(directory_ / "fifo").error(),
              ElementsAre(HasSubstr("regular file")));
  replace("a:x\nb:y\n");
  EXPECT_THAT(PasswdFile::open(path_).error(),
              ElementsAre(HasSubstr("users.passwd:1: expected"), HasSubstr("users.passwd:2: ")));
}

TEST_F(PasswdFileTest, EveryAnswerIsTheOneItShouldBe) {
  replace("alice:{PLAIN}one:pool=west\nlocked:!{PLAIN}one\n");
  const auto file = open();
  const auto accepted = file->check("ALICE", Secret("one"), false);
  ASSERT_TRUE(std::holds_alternative<auth::Accepted>(accepted));
  EXPECT_EQ(std::get<auth::Accepted>(accepted).route.user, "alice");
  EXPECT_EQ(std::get<auth::Accepted>(accepted).route.pool, "west");
  for (const auto& [user, password] : {std::pair{"alice", "two"}, {"locked", "one"}}) {
    const auto result = file->check(user, Secret(password), false);
    ASSERT_TRUE(std::holds_alternative<auth::Rejected>(result)) << user;
    EXPECT_EQ(std::get<auth::Rejected>(result).failure, dialogue::LoginFailure::kWrongCredentials);
  }
  for (const bool hash_unknown : {true, false}) {
    EXPECT_TRUE(
        std::holds_alternative<auth::UnknownHere>(file->check("bob", Secret("one"), hash_unknown)));
  }
  EXPECT_TRUE(std::holds_alternative<auth::Accepted>(file->explain("alice")));
  EXPECT_TRUE(std::holds_alternative<auth::UnknownHere>(file->explain("bob")));
}

double cpu_seconds(auto&& action) {
  const auto now = [] {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
  };
  const double begin = now();
  action();
  return now() - begin;
}

TEST_F(PasswdFileTest, AnUnknownUserCostsAsMuchAsAWrongPassword) {
  replace(
      "alice:$6$rounds=100000$saltstring$abc\nbob:$6$rounds=100000$saltstring$abc\n"
      "carol:{PLAIN}x\nlocked:*\n");
  const auto file = open();
  const auto cost = [&](const char* user, bool hash_unknown) {
    return cpu_seconds([&] { file->check(user, Secret("guess"), hash_unknown); });
  };
  const double wrong = cost("alice", true);
  EXPECT_GT(cost("nobody", true), wrong / 2);
  EXPECT_LT(cost("nobody", true), wrong * 2);
  EXPECT_GT(cost("locked", true), wrong / 2);
  EXPECT_LT(cost("nobody", false), wrong / 2);  // a later source will do the work
}

TEST_F(PasswdFileTest, ManyThreadsMayReadWhileItChanges) {
  replace("alice:{PLAIN}one\n");
  const auto file = open();
  std::atomic<bool> stop{false};
  std::atomic<int> found{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      auto now = start_;
      while (!stop) {
        now += 2s;
        found += file->current(now)->find("alice") != nullptr ? 1 : 0;
      }
    });
  }
  for (int version = 0; version < 50; ++version) {
    replace("alice:{PLAIN}one\nuser" + std::to_string(version) + ":{PLAIN}x\n");
    while (file->current(start_ + version * 2s)->size() < 2) {
      std::this_thread::yield();
    }
  }
  stop = true;
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_GT(found, 0);
  EXPECT_EQ(file->current(start_ + 1h * 10'000)->size(), 2U);
}

}  // namespace
}  // namespace headgate::sources
