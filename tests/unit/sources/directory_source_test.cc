#include "sources/directory_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "fake_directory.h"

namespace headgate::sources {
namespace {

using namespace std::chrono_literals;
using test::FakeServer;
using Says = FakeServer::Says;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

// What the first server has.
struct First {
  std::size_t queue = 100;
  std::size_t connections = 1;
};

class DirectorySourceTest : public testing::Test {
 protected:
  ~DirectorySourceTest() override {
    source_.reset();
    directories_.reset();
    timers_.reset();
    loop_.drain();
  }

  // A source of so many of the servers; the others have one connection, so that what is queued
  // stays so.
  void make(std::size_t servers, milliseconds hedge_after, milliseconds deadline = 60s,
            First first = {}) {
    directories_ = std::make_shared<Directories>();
    directories_->deadline = deadline;
    directories_->hedge_after = hedge_after;
    for (std::size_t at = 0; at < servers; ++at) {
      directories_->servers.push_back(servers_[at].pool(std::string(1, static_cast<char>('a' + at)),
                                                        at == 0 ? first.connections : 1,
                                                        at == 0 ? first.queue : 100));
    }
    source_ = std::make_unique<DirectorySource>(loop_, *timers_, directories_, "ldap", true);
  }
  void ask(const std::string& user) {
    const dialogue::Credentials credentials{"PLAIN", user, Secret("sesame")};
    source_->look_up({credentials, {}, {}, "imaps", "session", true},
                     [this](auth::LookupResult result) {
                       result_ = std::move(result);
                       thread_ = std::this_thread::get_id();
                       ++answers_;
                       loop_.stop();
                     });
  }
  void run_until(int answers) {
    while (answers_ < answers) {
      loop_.run();
    }
  }
  const auth::LookupResult& log_in(const std::string& user) {
    const int before = answers_;
    ask(user);
    run_until(before + 1);
    return *result_;
  }
  bool lets_in(const std::string& user) {
    return std::holds_alternative<auth::Accepted>(log_in(user));
  }
  LookupServer& state(std::size_t at) { return directories_->servers[at]->server(); }
  void wait_until_up(std::size_t at) {
    while (!state(at).is_up()) {
      std::this_thread::sleep_for(1ms);
    }
  }

  std::array<FakeServer, 3> servers_;
  net::Loop loop_;
  std::unique_ptr<net::TimerWheel> timers_ = std::make_unique<net::TimerWheel>(loop_);
  std::shared_ptr<Directories> directories_;
  std::unique_ptr<DirectorySource> source_;
  std::optional<auth::LookupResult> result_;
  std::thread::id thread_;
  int answers_ = 0;
};

TEST_F(DirectorySourceTest, TheFirstServerAnswersOnTheLoopsThreadAndTheOthersAreNotAsked) {
  make(2, 60s);
  EXPECT_TRUE(lets_in("alice"));
  EXPECT_EQ(thread_, std::this_thread::get_id());
  EXPECT_EQ(servers_[0].asked(), 1U);
  EXPECT_EQ(servers_[1].asked(), 0U);
  EXPECT_EQ(state(0).results(RequestResult::kAccepted), 1U);
  servers_[0].say(Says::kUnknown);
  EXPECT_TRUE(std::holds_alternative<auth::UnknownHere>(log_in("bob")));
  EXPECT_EQ(servers_[1].asked(), 0U) << "who does not know the user has answered";
}

TEST_F(DirectorySourceTest, AServerThatHangsCostsTheHedgeDelayOnceAndThenNothing) {
  make(2, 50ms);
  servers_[0].say(Says::kNothing);
  EXPECT_TRUE(lets_in("alice"));
  EXPECT_EQ(state(1).hedges(), 1U);
  EXPECT_FALSE(state(0).is_up());
  EXPECT_EQ(state(0).results(RequestResult::kAbandoned), 1U);
  EXPECT_EQ(servers_[1].asked(), 1U);
  EXPECT_TRUE(lets_in("bob"));
  EXPECT_EQ(servers_[1].asked(), 2U);
  EXPECT_EQ(state(1).hedges(), 1U) << "it is asked in its turn";
}

TEST_F(DirectorySourceTest, AServerThatFailsMakesRoomForTheNextAtOnce) {
  make(2, 60s);
  servers_[0].say(Says::kFailed);
  EXPECT_TRUE(lets_in("alice"));
  EXPECT_EQ(state(0).results(RequestResult::kFailed), 1U);
  EXPECT_FALSE(state(0).is_up());
  EXPECT_EQ(state(1).hedges(), 0U);
}

TEST_F(DirectorySourceTest, AFullQueueMakesRoomForTheNextAtOnceAndIsNoFailure) {
  make(2, 60s, 60s, {.queue = 0});
  EXPECT_TRUE(lets_in("alice"));
  EXPECT_TRUE(state(0).is_up());
  make(1, 60s, 60s, {.queue = 0});
  const auto& result = log_in("alice");
  ASSERT_TRUE(std::holds_alternative<auth::Unavailable>(result));
  EXPECT_THAT(std::get<auth::Unavailable>(result).why, HasSubstr("too many look-ups wait"));
}

TEST_F(DirectorySourceTest, WhenAllFailTheReasonOfTheLastIsKnown) {
  make(2, 60s);
  servers_[0].say(Says::kFailed);
  servers_[1].say(Says::kFailed);
  const auto& result = log_in("alice");
  ASSERT_TRUE(std::holds_alternative<auth::Unavailable>(result));
  EXPECT_EQ(std::get<auth::Unavailable>(result).why, "b: refused");
  servers_[0].say(Says::kYes);
  EXPECT_TRUE(lets_in("alice")) << "those that rest are better asked than nobody";
}

TEST_F(DirectorySourceTest, WhenAllHangTheAnswerIsUnavailableAtTheDeadline) {
  make(2, 50ms, 400ms);
  servers_[0].say(Says::kNothing);
  servers_[1].say(Says::kNothing);
  const auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(std::holds_alternative<auth::Unavailable>(log_in("alice")));
  EXPECT_GE(std::chrono::steady_clock::now() - began, 400ms);
  for (const std::size_t at : {0, 1}) {
    EXPECT_GE(servers_[at].interrupted, 1);
    EXPECT_FALSE(state(at).is_up());
    EXPECT_EQ(state(at).results(RequestResult::kTimeout), 1U);
  }
}

TEST_F(DirectorySourceTest, AProbeFindsOutThatAServerIsBackAndThenItComesFirstAgain) {
  make(2, 60s);
  servers_[0].say(Says::kFailed);
  EXPECT_TRUE(lets_in("alice"));
  servers_[0].say(Says::kYes);
  while (!state(0).is_up()) {
    EXPECT_TRUE(lets_in("alice"));
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_EQ(servers_[0].asked(), 2U) << "one probe, when its rest was over";
  const std::size_t before = servers_[1].asked();
  EXPECT_TRUE(lets_in("alice"));
  EXPECT_EQ(servers_[0].asked(), 3U);
  EXPECT_EQ(servers_[1].asked(), before);
}

TEST_F(DirectorySourceTest, AProbeOfAServerThatStillHangsHoldsNobodyUp) {
  make(2, 50ms, 60s, {.connections = 2});
  servers_[0].say(Says::kNothing);
  EXPECT_TRUE(lets_in("alice"));
  while (servers_[0].asked() < 2) {  // its rest is over
    EXPECT_TRUE(lets_in("bob"));
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_TRUE(lets_in("carol"));
  EXPECT_EQ(state(1).hedges(), 1U);
  EXPECT_FALSE(state(0).is_up());
}

TEST_F(DirectorySourceTest, WhoHasAnAnswerIsNotAskedForWhereItIsStillInTheQueue) {
  make(2, 50ms);
  servers_[0].say(Says::kNothing);
  ask("first");
  servers_[0].wait_until_silent();
  ask("second");
  run_until(2);
  EXPECT_EQ(state(1).hedges(), 2U);
  servers_[0].say(Says::kYes);
  wait_until_up(0);  // by the answer about "first", late as it is
  EXPECT_TRUE(lets_in("third"));
  EXPECT_THAT(servers_[0].asked_for(), ElementsAre("first", "third"));
  EXPECT_THAT(servers_[1].asked_for(), ElementsAre("first", "second"));
  EXPECT_EQ(state(0).results(RequestResult::kAbandoned), 2U);
}

TEST_F(DirectorySourceTest, OneHedgeALoginAndTheThirdServerWhenTheSecondHadItsShare) {
  make(3, 50ms, 3s);
  servers_[0].say(Says::kNothing);
  servers_[1].say(Says::kNothing);
  EXPECT_TRUE(lets_in("alice"));
  EXPECT_EQ(state(1).hedges() + state(2).hedges(), 1U);
  EXPECT_EQ(servers_[2].asked(), 1U);
}

TEST_F(DirectorySourceTest, WithoutHedgingAServerThatHangsHasItsShareOfTheDeadline) {
  make(2, 0ms, 1s);
  servers_[0].say(Says::kNothing);
  EXPECT_TRUE(lets_in("alice"));
  EXPECT_EQ(state(1).hedges(), 0U);
  EXPECT_FALSE(state(0).is_up());
}

TEST_F(DirectorySourceTest, AServerThatMakesNoSenseOfTheUserHasAnsweredWhereNobodyElseIsAsked) {
  make(2, 60s);
  servers_[0].say(Says::kNoUse);
  const auto& result = log_in("alice");
  ASSERT_TRUE(std::holds_alternative<auth::Rejected>(result));
  EXPECT_EQ(std::get<auth::Rejected>(result).failure, dialogue::LoginFailure::kLookupUnavailable);
  EXPECT_EQ(servers_[1].asked(), 0U);
  EXPECT_TRUE(state(0).is_up());
  EXPECT_EQ(state(0).results(RequestResult::kInvalid), 1U);
}

TEST_F(DirectorySourceTest, AServerThatMakesNoSenseOfTheUserLeavesItToTheOneThatIsLate) {
  make(2, 50ms);
  servers_[0].say(Says::kNothing);
  servers_[1].say(Says::kNoUse);
  // Behind the hedge on the same connection: when it is answered, so is the hedge.
  servers_[1].on_asked([&] {
    servers_[1].on_asked(nullptr);
    const dialogue::Credentials credentials{"PLAIN", "marker", Secret("x")};
    const auto question = directories_->servers[1]->look_up(
        std::make_shared<const auth::OwnedRequest>(
            auth::LoginRequest{credentials, {}, {}, "imaps", "session", true}),
        DirectoryPool::Clock::now() + 60s, false,
        [&](const auth::LookupResult&) { servers_[0].say(Says::kYes); });
    ASSERT_TRUE(question);
  });
  EXPECT_TRUE(lets_in("alice"));
  EXPECT_EQ(state(1).results(RequestResult::kInvalid), 2U);
}

TEST_F(DirectorySourceTest, WhatIsHashedHereIsNotAskedForAnywhereElse) {
  make(2, 50ms);
  servers_[0].hold_hashing();
  ask("alice");
  const auto answered = [&] {
    const metrics::LookupServerFigures figures = state(0).figures("");
    return std::ranges::any_of(figures.durations, [](std::uint64_t count) { return count > 0; });
  };
  while (!answered()) {
    std::this_thread::sleep_for(1ms);
  }
  // The loop has not turned yet: all its timers come after the answer.
  std::thread later([&] {
    std::this_thread::sleep_for(300ms);
    servers_[0].may_hash.release(1);
  });
  run_until(1);
  later.join();
  EXPECT_TRUE(std::holds_alternative<auth::Accepted>(*result_));
  EXPECT_EQ(servers_[1].asked(), 0U);
}

TEST_F(DirectorySourceTest, ItGoesWhileAnswersAreUnderWay) {
  make(2, 60s);
  servers_[0].say(Says::kNothing);
  ask("alice");
  ask("bob");
  servers_[0].wait_until_silent();
  source_.reset();
  servers_[0].say(Says::kYes);
  directories_.reset();
  timers_.reset();
  loop_.drain();
  EXPECT_EQ(answers_, 0);
  EXPECT_THAT(servers_[0].asked_for(), ElementsAre("alice"));
}

TEST_F(DirectorySourceTest, ACallbackMayDestroyIt) {
  make(1, 60s);
  for (const char* user : {"alice", "bob"}) {
    const dialogue::Credentials credentials{"PLAIN", user, Secret("sesame")};
    source_->look_up({credentials, {}, {}, "imaps", "session", true},
                     [this](const auth::LookupResult& /*result*/) {
                       ++answers_;
                       source_.reset();
                       loop_.stop();
                     });
  }
  while (state(0).results(RequestResult::kAccepted) < 2) {
    std::this_thread::sleep_for(1ms);
  }
  run_until(1);
  EXPECT_EQ(answers_, 1);
}

TEST_F(DirectorySourceTest, ExplainAsksTheNextServerWhenOneFailsOrHangs) {
  make(2, 60s, 1s);
  servers_[0].say(Says::kFailed);
  EXPECT_TRUE(std::holds_alternative<auth::Accepted>(source_->explain("alice")));
  EXPECT_EQ(servers_[1].asked(), 1U);
  make(2, 60s, 1s);
  servers_[0].say(Says::kNothing);
  EXPECT_TRUE(std::holds_alternative<auth::Accepted>(source_->explain("alice")));
  EXPECT_EQ(servers_[1].asked(), 2U);
  EXPECT_EQ(state(1).results(RequestResult::kAccepted), 0U) << "no login";
}

TEST_F(DirectorySourceTest, FiguresShowServersThatHaveNames) {
  make(2, 60s);
  EXPECT_TRUE(lets_in("alice"));
  directories_->servers.push_back(servers_[2].pool(""));
  std::vector<metrics::LookupServerFigures> all;
  directories_->add_figures("customers", all);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].source, "customers");
  EXPECT_EQ(all[0].server, "a");
  EXPECT_EQ(all[0].requests[static_cast<std::size_t>(RequestResult::kAccepted)], 1U);
  EXPECT_EQ(all[1].server, "b");
}

}  // namespace
}  // namespace headgate::sources
