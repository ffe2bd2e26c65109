#include "sources/directory_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>

#include "fake_directory.h"

namespace headgate::sources {
namespace {

using namespace std::chrono_literals;
using test::FakeServer;
using Says = FakeServer::Says;
using Clock = DirectoryPool::Clock;
using testing::ElementsAre;

class DirectoryPoolTest : public testing::Test {
 protected:
  void make_pool(std::size_t connections, std::size_t max_queue = 100) {
    pool_ = server_.pool("db1", connections, max_queue);
  }
  static DirectoryPool::Request request(std::string user) {
    const dialogue::Credentials credentials{"PLAIN", std::move(user), Secret("sesame")};
    return std::make_shared<const auth::OwnedRequest>(
        auth::LoginRequest{credentials, {}, {}, "imaps", "session", true});
  }
  std::shared_ptr<DirectoryPool::Question> ask(const std::string& user,
                                               DirectoryPool::Callback done,
                                               std::chrono::milliseconds deadline = 60s,
                                               bool probe = false) {
    return pool_->look_up(request(user), Clock::now() + deadline, probe, std::move(done));
  }
  [[nodiscard]] std::uint64_t counted(RequestResult result) const {
    return pool_->server().results(result);
  }
  static void ignore(const auth::LookupResult& /*result*/) {}

  FakeServer server_;
  std::unique_ptr<DirectoryPool> pool_;
};

TEST_F(DirectoryPoolTest, OneThatHangsHoldsUpNobodyElseAndIsInterruptedAtTheDeadline) {
  make_pool(2);
  server_.say_nothing_about("hung");
  std::latch done(11);
  std::atomic<int> accepted{0};
  const auto count = [&](const auth::LookupResult& result) {
    accepted += std::holds_alternative<auth::Accepted>(result) ? 1 : 0;
    done.count_down();
  };
  ASSERT_TRUE(ask("hung", count, 200ms));
  server_.wait_until_silent();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(ask("alice", count));
  }
  done.wait();
  EXPECT_EQ(accepted, 10);
  EXPECT_GE(server_.interrupted, 1);
}

TEST_F(DirectoryPoolTest, WhoWaitsPastTheDeadlineIsNotAskedFor) {
  make_pool(1);
  server_.say(Says::kNothing);
  std::latch done(2);
  std::atomic<int> unavailable{0};
  const auto count = [&](const auth::LookupResult& result) {
    unavailable += std::holds_alternative<auth::Unavailable>(result) ? 1 : 0;
    done.count_down();
  };
  ASSERT_TRUE(ask("first", count, 100ms));
  server_.wait_until_silent();
  ASSERT_TRUE(ask("second", count, 1ms));
  done.wait();
  EXPECT_EQ(unavailable, 2);
  EXPECT_THAT(server_.asked_for(), ElementsAre("first"));
  EXPECT_EQ(counted(RequestResult::kTimeout), 2U);
}

TEST_F(DirectoryPoolTest, AFullQueueTurnsAway) {
  make_pool(1, 1);
  server_.say(Says::kNothing);
  ASSERT_TRUE(ask("first", ignore));
  server_.wait_until_silent();
  EXPECT_TRUE(ask("second", ignore));
  EXPECT_FALSE(ask("third", ignore));
}

TEST_F(DirectoryPoolTest, WhoIsNoLongerWaitedForLeavesTheQueue) {
  make_pool(1, 1);
  server_.say(Says::kNothing);
  std::latch done(2);
  const auto first = ask("first", [&](const auth::LookupResult&) { done.count_down(); });
  server_.wait_until_silent();
  const auto second = ask("second", [](const auth::LookupResult&) { FAIL() << "it was asked"; });
  pool_->abandon(*second, true);
  EXPECT_EQ(counted(RequestResult::kAbandoned), 1U);
  ASSERT_TRUE(ask("third", [&](const auth::LookupResult&) { done.count_down(); }))
      << "the queue is as full as before";
  server_.say(Says::kYes);
  done.wait();
  EXPECT_THAT(server_.asked_for(), ElementsAre("first", "third"));
  EXPECT_EQ(counted(RequestResult::kAccepted), 2U);
}

TEST_F(DirectoryPoolTest, ItEndsWhileOneHangsAndOthersWait) {
  make_pool(1);
  server_.say(Says::kNothing);
  std::atomic<int> answers{0};
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(ask("alice", [&](const auth::LookupResult&) { ++answers; }));
  }
  server_.wait_until_silent();
  pool_.reset();
  EXPECT_EQ(answers, 1);
}

TEST_F(DirectoryPoolTest, AnAnswerEndsTheRestOfAServerThatFailed) {
  make_pool(1);
  server_.say(Says::kFailed);
  std::latch failed(1);
  ASSERT_TRUE(ask("alice", [&](const auth::LookupResult&) { failed.count_down(); }));
  failed.wait();
  EXPECT_FALSE(pool_->server().is_up());
  EXPECT_EQ(counted(RequestResult::kFailed), 1U);
  server_.say(Says::kUnknown);
  std::latch answered(1);
  ASSERT_TRUE(ask("alice", [&](const auth::LookupResult&) { answered.count_down(); }, 60s, true));
  answered.wait();
  EXPECT_TRUE(pool_->server().is_up());
  EXPECT_EQ(counted(RequestResult::kRefused), 1U);
}

TEST_F(DirectoryPoolTest, AServerIsLateWhenItSaysNothingAndNotWhenItHasMuchToDo) {
  make_pool(1);
  server_.say(Says::kNothing);
  const auto first = ask("first", ignore);
  const auto second = ask("second", ignore);
  server_.wait_until_silent();
  const auto is_late = [&](const auto& question) {
    return pool_->patience_left(*question, 1ms) == 0ms;
  };
  while (!is_late(first) || !is_late(second)) {
    std::this_thread::yield();
  }
  EXPECT_TRUE(pool_->silent_for(1ms));
  server_.hold_hashing();
  server_.say(Says::kYes);
  while (pool_->patience_left(*first, 1ms)) {  // until it has answered
    std::this_thread::yield();
  }
  // The password is being hashed for as long as anybody likes.
  EXPECT_EQ(pool_->patience_left(*second, 1h), 1h) << "the server owes nothing";
  EXPECT_FALSE(pool_->silent_for(0ms));
  server_.may_hash.release(2);
}

TEST_F(DirectoryPoolTest, ExplainWaitsNoLongerThanItMay) {
  make_pool(1);
  EXPECT_TRUE(std::holds_alternative<auth::Accepted>(pool_->explain("a", Clock::now() + 60s)));
  server_.say(Says::kNothing);
  ASSERT_TRUE(ask("first", ignore));
  server_.wait_until_silent();
  EXPECT_TRUE(std::holds_alternative<auth::Unavailable>(pool_->explain("b", Clock::now() + 1ms)));
  server_.say(Says::kYes);
  EXPECT_TRUE(std::holds_alternative<auth::Accepted>(pool_->explain("c", Clock::now() + 60s)));
  EXPECT_THAT(server_.asked_for(), ElementsAre("a", "first", "c"));
}

}  // namespace
}  // namespace headgate::sources
