#include "auth/guarded_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "base/log.h"

namespace headgate::auth {
namespace {

using namespace std::chrono_literals;
using metrics::SourceResult;
using testing::ElementsAre;
using testing::HasSubstr;

// Keeps every question until the test answers it.
class HangingSource : public UserSource {
 public:
  void look_up(const LoginRequest& request, Callback done) override {
    users.push_back(request.credentials.user);
    passwords.emplace_back(request.credentials.secret.view());
    pending.push_back(std::move(done));
  }
  LookupResult explain(std::string_view /*user*/) override { return UnknownHere{}; }
  [[nodiscard]] std::string_view name() const override { return "hanging"; }

  std::vector<std::string> users;
  std::vector<std::string> passwords;
  std::vector<Callback> pending;
};

class GuardedSourceTest : public testing::Test {
 protected:
  ~GuardedSourceTest() override {
    guard_.reset();
    timers_.reset();
    loop_.drain();
  }

  void guard(GuardOptions options) {
    auto source = std::make_unique<HangingSource>();
    source_ = source.get();
    breaker_ = std::make_shared<Breaker>("ldap", options.breaker);
    guard_ =
        std::make_unique<GuardedSource>(*timers_, std::move(source), options, breaker_, metrics_);
  }
  // The results come into results_, as words, in the order in which they come.
  void ask(std::string user = "alice") {
    const dialogue::Credentials credentials{"PLAIN", std::move(user), Secret("sesame")};
    guard_->look_up({credentials, {}, {}, "imaps", "session", true}, [this](LookupResult result) {
      static constexpr const char* kWords[] = {"accepted", "rejected", "unavailable", "unknown"};
      results_.emplace_back(kWords[result.index()]);
      if (const auto* unavailable = std::get_if<Unavailable>(&result)) {
        why_ = unavailable->why;
      }
      loop_.stop();
    });
  }
  void answer(std::size_t at, LookupResult result = UnknownHere{}) {
    source_->pending[at](std::move(result));
  }
  [[nodiscard]] std::uint64_t count(SourceResult result) const {
    return metrics_.results[metrics::index(result)].value();
  }
  void run_until_answered(std::size_t count) {
    while (results_.size() < count) {
      loop_.run();
    }
  }

  net::Loop loop_;
  std::unique_ptr<net::TimerWheel> timers_ = std::make_unique<net::TimerWheel>(loop_);
  metrics::SourceMetrics metrics_{"ldap"};
  HangingSource* source_ = nullptr;
  std::shared_ptr<Breaker> breaker_;
  std::unique_ptr<GuardedSource> guard_;
  std::vector<std::string> results_;
  std::string why_;
};

TEST_F(GuardedSourceTest, TokensPassWhereTheBackendJudgesAndTheClientSaysWhoseTheyAre) {
  const dialogue::Credentials password{"PLAIN", "alice", Secret("sesame")};
  const dialogue::Credentials token{"XOAUTH2", "alice", Secret("token")};
  const dialogue::Credentials nameless{"OAUTHBEARER", "", Secret("token")};
  guard({});
  EXPECT_TRUE(guard_->takes(password));
  EXPECT_FALSE(guard_->takes(token));
  guard({.passes_tokens = true});
  EXPECT_TRUE(guard_->takes(password));
  EXPECT_TRUE(guard_->takes(token));
  EXPECT_FALSE(guard_->takes(nameless));
  EXPECT_FALSE(guard_->takes({"SCRAM-SHA-256", "alice", Secret()}))
      << "there is nothing to pass on";
}

TEST_F(GuardedSourceTest, EveryAnswerPassesThroughAndIsCounted) {
  guard({});
  for (int i = 0; i < 4; ++i) {
    ask();
  }
  EXPECT_EQ(metrics_.under_way.value(), 4);
  answer(0, Accepted{});
  answer(1, Rejected{dialogue::LoginFailure::kExpired});
  answer(2, Unavailable{"gone"});
  answer(3, UnknownHere{});
  EXPECT_THAT(results_, ElementsAre("accepted", "rejected", "unavailable", "unknown"));
  EXPECT_EQ(count(SourceResult::kAccepted), 1U);
  EXPECT_EQ(count(SourceResult::kRejected), 1U);
  EXPECT_EQ(count(SourceResult::kUnavailable), 1U);
  EXPECT_EQ(count(SourceResult::kUnknown), 1U);
  EXPECT_EQ(metrics_.under_way.value(), 0);
}

TEST_F(GuardedSourceTest, ASourceThatHangsIsUnavailableAtTheDeadlineAndItsLateAnswerIsIgnored) {
  guard({.deadline = 100ms});
  ask();
  run_until_answered(1);
  EXPECT_THAT(results_, ElementsAre("unavailable"));
  EXPECT_EQ(why_, "ldap: no answer within 100 ms");
  EXPECT_EQ(count(SourceResult::kTimeout), 1U);
  answer(0, Accepted{});
  EXPECT_EQ(results_.size(), 1U);
}

TEST_F(GuardedSourceTest, NoMoreQuestionsAreUnderWayThanAllowedAndTheOthersWaitInOrder) {
  guard({.max_parallel = 2});
  for (const char* user : {"one", "two", "three", "four"}) {
    ask(user);
  }
  EXPECT_THAT(source_->users, ElementsAre("one", "two"));
  EXPECT_EQ(metrics_.queued.value(), 2);
  answer(1);
  EXPECT_THAT(source_->users, ElementsAre("one", "two", "three"));
  answer(0);
  answer(2);
  answer(3);
  EXPECT_THAT(source_->users, ElementsAre("one", "two", "three", "four"));
  EXPECT_EQ(source_->passwords.back(), "sesame");
  EXPECT_EQ(results_.size(), 4U);
  EXPECT_EQ(metrics_.queued.value(), 0);
}

TEST_F(GuardedSourceTest, AFullQueueTurnsAwayAtOnce) {
  guard({.max_parallel = 1, .max_queue = 1});
  ask();
  ask();
  ask();
  EXPECT_THAT(results_, ElementsAre("unavailable"));
  EXPECT_EQ(why_, "ldap: 1 look-ups wait already");
  EXPECT_EQ(count(SourceResult::kQueueFull), 1U);
}

TEST_F(GuardedSourceTest, TheDeadlineCountsInTheQueueAndIsNotTheSourcesFaultThere) {
  guard({.deadline = 100ms, .max_parallel = 1, .breaker = {.failures = 2}});
  ask();
  ask();
  run_until_answered(2);
  EXPECT_THAT(results_, ElementsAre("unavailable", "unavailable"));
  EXPECT_EQ(source_->users.size(), 2U) << "the second one is asked when the first gives up";
  EXPECT_TRUE(breaker_->open());
}

TEST_F(GuardedSourceTest, AfterFailuresInARowNobodyIsAskedUntilAProbeSucceeds) {
  testing::internal::CaptureStderr();
  guard({.breaker = {.failures = 3, .pause = 100ms, .longest_pause = 1s}});
  for (int i = 0; i < 3; ++i) {
    ask();
    answer(static_cast<std::size_t>(i), Unavailable{"connection refused"});
  }
  EXPECT_TRUE(breaker_->open());
  ask();
  EXPECT_EQ(source_->users.size(), 3U) << "asked behind an open breaker";
  EXPECT_EQ(count(SourceResult::kBreakerOpen), 1U);
  EXPECT_THAT(why_, HasSubstr("failed too often"));

  net::Timer pause(&loop_, [](void* loop) noexcept { static_cast<net::Loop*>(loop)->stop(); });
  timers_->arm(pause, 150);
  while (pause.armed()) {
    loop_.run();
  }
  ask("probe");
  ask("not the second one");
  ASSERT_EQ(source_->users.size(), 4U);
  answer(3, Rejected{dialogue::LoginFailure::kWrongCredentials});
  EXPECT_FALSE(breaker_->open()) << "a wrong password is an answer";
  ask();
  EXPECT_EQ(source_->users.size(), 5U);
  EXPECT_EQ(breaker_->openings(), 1U);
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log,
              HasSubstr("user source failed too often, not asked for now  source=ldap failures=3"));
  EXPECT_THAT(log, HasSubstr("connection refused"));
  EXPECT_THAT(log, HasSubstr("user source answers again  source=ldap"));
}

TEST_F(GuardedSourceTest, FailuresThatAreNotInARowOpenNothing) {
  guard({.breaker = {.failures = 2}});
  for (std::size_t i = 0; i < 6; ++i) {
    ask();
    answer(i, i % 2 == 0 ? LookupResult(Unavailable{"x"}) : LookupResult(UnknownHere{}));
  }
  EXPECT_FALSE(breaker_->open());
}

TEST_F(GuardedSourceTest, AWaitingQueueEndsWhenTheBreakerOpens) {
  guard({.max_parallel = 1, .breaker = {.failures = 1}});
  for (int i = 0; i < 1000; ++i) {
    ask();
  }
  answer(0, Unavailable{"gone"});
  EXPECT_EQ(results_.size(), 1000U);
  EXPECT_EQ(source_->users.size(), 1U);
  EXPECT_EQ(metrics_.queued.value(), 0);
}

TEST(Breaker, ThePauseDoublesWithEachProbeThatFailsUpToTheLongest) {
  Breaker breaker("sql", {.failures = 1, .pause = 1000ms, .longest_pause = 3000ms});
  testing::internal::CaptureStderr();
  breaker.failed(breaker.ask(0), 0, 200, "down");  // 200: the pause in full
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("pause_ms=1000"));
  std::int64_t now = 1000;
  for (const std::int64_t pause : {2000, 3000, 3000}) {
    const Breaker::Pass pass = breaker.ask(now);
    ASSERT_EQ(pass, Breaker::Pass::kProbe);
    breaker.failed(pass, now, static_cast<std::uint64_t>(pause / 5), "down");
    EXPECT_EQ(breaker.ask(now + pause - 1), Breaker::Pass::kNo);
    now += pause;
  }
  const Breaker::Pass pass = breaker.ask(now);
  EXPECT_EQ(breaker.ask(now), Breaker::Pass::kNo) << "a second probe";
  breaker.abandoned(pass);
  EXPECT_EQ(breaker.ask(now), Breaker::Pass::kProbe) << "the first one's asker went away";
}

}  // namespace
}  // namespace headgate::auth
