#include "sources/sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>

#include "auth/chain.h"

namespace headgate::sources {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class SourcesTest : public testing::Test {
 protected:
  SourcesTest() {
    std::ofstream(first_) << "alice:{PLAIN}one:pool=west backend_user=alice@internal\n";
    std::ofstream(second_) << "bob:{PLAIN}two\n";
  }
  ~SourcesTest() override {
    chain_.reset();
    timers_.reset();
    loop_.drain();
    std::remove(first_.c_str());
    std::remove(second_.c_str());
  }

  static SourceOptions file(const std::string& path) {
    SourceOptions options = backend();
    options.kind = SourceKind::kPasswdFile;
    options.path = options.name = path;
    return options;
  }
  static SourceOptions backend() { return {}; }
  [[nodiscard]] auth::Chain::Ticket look_up() {
    return chain_->look_up(request_, [this](auth::ChainResult result) {
      ++calls_;
      result_ = std::move(result);
      loop_.stop();
    });
  }
  template <typename Alternative>
  [[nodiscard]] bool is() const {
    return std::holds_alternative<Alternative>(result_.result);
  }
  const auth::ChainResult& log_in(const SharedSources& shared, std::string user,
                                  std::string_view password) {
    chain_ = std::make_unique<auth::Chain>(*timers_, shared.make_sources(loop_, *timers_, metrics_),
                                           60s);
    credentials_ = {"PLAIN", std::move(user), Secret(password)};
    calls_ = 0;
    const auto ticket = look_up();
    while (calls_ == 0) {
      loop_.run();
    }
    return result_;
  }

  metrics::WorkerMetrics metrics_{{}};
  net::Loop loop_;
  std::unique_ptr<net::TimerWheel> timers_ = std::make_unique<net::TimerWheel>(loop_);
  std::unique_ptr<auth::Chain> chain_;
  dialogue::Credentials credentials_{"PLAIN", "alice", Secret("one")};
  auth::LoginRequest request_{credentials_, {}, {}, "imaps", "session", true};
  auth::ChainResult result_;
  int calls_ = 0;
  std::string first_ = testing::TempDir() + "sources_test_first.passwd";
  std::string second_ = testing::TempDir() + "sources_test_second.passwd";
};

TEST_F(SourcesTest, PasswdFilesAreCheckedOnTheThreadPool) {
  const auto shared = SharedSources::load({file(first_), file(second_)});
  ASSERT_TRUE(shared.has_value());
  log_in(*shared, "alice", "one");
  ASSERT_TRUE(is<auth::Accepted>());
  const auth::Route& route = std::get<auth::Accepted>(result_.result).route;
  EXPECT_EQ(route.user, "alice@internal");
  EXPECT_EQ(route.pool, "west");
  EXPECT_TRUE(route.use_master);
  EXPECT_EQ(result_.source, 0U);
  EXPECT_TRUE(std::holds_alternative<auth::Accepted>(log_in(*shared, "bob", "two").result));
  EXPECT_EQ(result_.source, 1U);
  EXPECT_TRUE(std::holds_alternative<auth::Rejected>(log_in(*shared, "alice", "two").result));
  EXPECT_TRUE(std::holds_alternative<auth::Rejected>(log_in(*shared, "carol", "two").result));
}

TEST_F(SourcesTest, TheBackendTakesWhomTheFileDoesNotKnow) {
  const auto shared = SharedSources::load({file(first_), backend()});
  ASSERT_TRUE(shared.has_value());
  log_in(*shared, "carol", "anything");
  ASSERT_TRUE(is<auth::Accepted>());
  EXPECT_EQ(std::get<auth::Accepted>(result_.result).route.user, "carol");
  EXPECT_FALSE(std::get<auth::Accepted>(result_.result).route.use_master);
  EXPECT_EQ(result_.source, 1U);
  EXPECT_TRUE(std::holds_alternative<auth::Rejected>(log_in(*shared, "alice", "wrong").result));
}

TEST_F(SourcesTest, ExplainNeedsNoPassword) {
  const auto shared = SharedSources::load({file(first_), backend()});
  ASSERT_TRUE(shared.has_value());
  const auth::ChainResult alice = shared->explain("alice");
  EXPECT_EQ(alice.source, 0U);
  EXPECT_EQ(std::get<auth::Accepted>(alice.result).route.pool, "west");
  EXPECT_EQ(shared->explain("carol").source, 1U);
  const auto files = SharedSources::load({file(first_)});
  EXPECT_TRUE(std::holds_alternative<auth::Rejected>(files->explain("carol").result));
}

TEST_F(SourcesTest, AnUnchangedSourceGoesOnWithItsCacheAndReadsItsFileAgain) {
  SourceOptions options = file(first_);
  options.cache = auth::CacheOptions{};
  const auto before = SharedSources::load({options});
  log_in(*before, "alice", "one");
  EXPECT_EQ(before->figures()[0].cache_entries, 1U);
  std::ofstream(first_) << "dave:{PLAIN}four\n";
  EXPECT_EQ(SharedSources::load({options}, &*before)->figures()[0].cache_entries, 0U);
  options.unchanged = true;
  const auto after = SharedSources::load({options}, &*before);
  EXPECT_EQ(after->figures()[0].cache_entries, 1U);
  log_in(*after, "dave", "four");
  EXPECT_TRUE(is<auth::Accepted>());
  std::ofstream(first_) << "broken\n";
  EXPECT_FALSE(SharedSources::load({options}, &*before).has_value());
}

TEST_F(SourcesTest, AllErrorsOfAllFilesAreReported) {
  std::ofstream(first_) << "broken\n";
  const auto shared = SharedSources::load({file(first_), file("/does/not/exist")});
  ASSERT_FALSE(shared.has_value());
  EXPECT_THAT(shared.error(), testing::ElementsAre(HasSubstr("first.passwd:1: "),
                                                   HasSubstr("/does/not/exist: No such file")));
  EXPECT_FALSE(SharedSources::load({}).has_value());
}

TEST_F(SourcesTest, TooManyLookUpsAtOnceAreTurnedAwayAndTheRestAnswered) {
  SourceOptions few = file(first_);
  few.guard.max_parallel = 4;
  few.guard.max_queue = 10;
  const auto shared = SharedSources::load({few});
  chain_ =
      std::make_unique<auth::Chain>(*timers_, shared->make_sources(loop_, *timers_, metrics_), 60s);
  constexpr int kAsked = 300;
  int answered = 0;
  int turned_away = 0;
  std::vector<auth::Chain::Ticket> tickets;
  for (int at = 0; at < kAsked; ++at) {
    tickets.push_back(chain_->look_up(request_, [&](const auth::ChainResult& result) {
      turned_away += std::holds_alternative<auth::Unavailable>(result.result) ? 1 : 0;
      if (++answered == kAsked) {
        loop_.stop();
      }
    }));
  }
  loop_.run();
  EXPECT_EQ(answered, kAsked);
  EXPECT_EQ(turned_away, kAsked - 14);
}

TEST_F(SourcesTest, AWorkerMayGoWhileItsLookUpsAreUnderWay) {
  const auto shared = SharedSources::load({file(first_)});
  chain_ =
      std::make_unique<auth::Chain>(*timers_, shared->make_sources(loop_, *timers_, metrics_), 60s);
  {
    const auto ticket = look_up();
    chain_.reset();
  }
  timers_.reset();
  loop_.drain();
  EXPECT_EQ(calls_, 0);
}

}  // namespace
}  // namespace headgate::sources
