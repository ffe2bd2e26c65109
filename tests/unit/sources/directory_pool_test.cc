#include "sources/directory_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <semaphore>
#include <thread>

#include "sources/directory_source.h"

namespace headgate::sources {
namespace {

using namespace std::chrono_literals;

// Hangs with the password "hang" until it is interrupted, and with "hang on" until then and
// may_return.
class FakeDirectory : public Directory {
 public:
  struct Shared {
    std::atomic<int> asked{0};
    std::atomic<int> interrupted{0};
    std::counting_semaphore<> hanging{0};
    std::counting_semaphore<> may_return{0};
  };
  explicit FakeDirectory(Shared& shared) : shared_(shared) {}

  auth::LookupResult look_up(const auth::LoginRequest& request) override {
    ++shared_.asked;
    const bool hangs_on = request.credentials.secret.equals("hang on");
    if (hangs_on || request.credentials.secret.equals("hang")) {
      shared_.hanging.release();
      woken_.acquire();
      if (hangs_on) {
        shared_.may_return.acquire();
      }
      return auth::Unavailable{"interrupted"};
    }
    auth::Route route;
    route.user = request.credentials.user;
    return auth::Accepted{std::move(route)};
  }
  auth::LookupResult explain(std::string_view /*user*/) override { return auth::UnknownHere{}; }
  void interrupt() noexcept override {
    ++shared_.interrupted;
    woken_.release();
  }

 private:
  Shared& shared_;
  std::counting_semaphore<> woken_{0};
};

class DirectoryPoolTest : public testing::Test {
 protected:
  void make_pool(std::size_t connections, std::chrono::milliseconds deadline,
                 std::size_t max_queue = 100) {
    std::vector<std::unique_ptr<Directory>> directories;
    for (std::size_t i = 0; i < connections; ++i) {
      directories.push_back(std::make_unique<FakeDirectory>(shared_));
    }
    pool_ = std::make_shared<DirectoryPool>("sql", std::move(directories), max_queue, deadline);
  }
  bool ask(std::string_view password, DirectoryPool::Callback done) {
    const dialogue::Credentials credentials{"PLAIN", "alice", Secret(password)};
    return pool_->look_up({credentials, {}, {}, "imaps", "session", true}, std::move(done));
  }

  FakeDirectory::Shared shared_;
  std::shared_ptr<DirectoryPool> pool_;
};

TEST_F(DirectoryPoolTest, OneThatHangsHoldsUpNobodyElseAndIsInterruptedAtTheDeadline) {
  make_pool(2, 200ms);
  std::latch done(11);
  std::atomic<int> accepted{0};
  const auto count = [&](auth::LookupResult result) {
    accepted += std::holds_alternative<auth::Accepted>(result) ? 1 : 0;
    done.count_down();
  };
  ASSERT_TRUE(ask("hang", count));
  shared_.hanging.acquire();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(ask("sesame", count));
  }
  done.wait();
  EXPECT_EQ(accepted, 10);
  EXPECT_GE(shared_.interrupted, 1);
}

TEST_F(DirectoryPoolTest, WhoWaitsPastTheDeadlineIsNotAskedFor) {
  make_pool(1, 100ms);
  std::latch done(2);
  std::atomic<int> unavailable{0};
  const auto count = [&](auth::LookupResult result) {
    unavailable += std::holds_alternative<auth::Unavailable>(result) ? 1 : 0;
    done.count_down();
  };
  ASSERT_TRUE(ask("hang on", count));
  shared_.hanging.acquire();
  ASSERT_TRUE(ask("sesame", count));
  std::this_thread::sleep_for(100ms);  // its deadline has passed now, whatever else happens
  shared_.may_return.release();
  done.wait();
  EXPECT_EQ(unavailable, 2);
  EXPECT_EQ(shared_.asked, 1);
}

TEST_F(DirectoryPoolTest, AFullQueueTurnsAway) {
  make_pool(1, 60s, 1);
  ASSERT_TRUE(ask("hang", [](auth::LookupResult) {}));
  shared_.hanging.acquire();
  EXPECT_TRUE(ask("hang", [](auth::LookupResult) {}));
  EXPECT_FALSE(ask("hang", [](auth::LookupResult) {}));
}

TEST_F(DirectoryPoolTest, ItEndsWhileOneHangsAndOthersWait) {
  make_pool(1, 60s);
  std::atomic<int> answers{0};
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(ask("hang", [&](auth::LookupResult) { ++answers; }));
  }
  shared_.hanging.acquire();
  pool_.reset();
  EXPECT_EQ(answers, 1);
}

TEST_F(DirectoryPoolTest, AnswersComeToTheLoopsThreadAndToNobodyWhenTheSourceIsGone) {
  make_pool(2, 60s);
  net::Loop loop;
  auto source = std::make_unique<DirectorySource>(loop, pool_, "sql", true);
  const auto ask_source = [&](std::string_view password, auth::UserSource::Callback done) {
    const dialogue::Credentials credentials{"PLAIN", "alice", Secret(password)};
    source->look_up({credentials, {}, {}, "imaps", "session", true}, std::move(done));
  };
  std::thread::id thread;
  ask_source("sesame", [&](auth::LookupResult result) {
    EXPECT_TRUE(std::holds_alternative<auth::Accepted>(result));
    thread = std::this_thread::get_id();
    loop.stop();
  });
  loop.run();
  EXPECT_EQ(thread, std::this_thread::get_id());
  bool answered = false;
  ask_source("hang", [&](auth::LookupResult) { answered = true; });
  shared_.hanging.acquire();
  source.reset();
  pool_.reset();
  loop.drain();
  EXPECT_FALSE(answered);
}

}  // namespace
}  // namespace headgate::sources
