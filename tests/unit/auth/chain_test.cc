#include "auth/chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace headgate::auth {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// Answers when the test says so, or at once.
class ScriptedSource : public UserSource {
 public:
  explicit ScriptedSource(std::optional<LookupResult> at_once = std::nullopt)
      : at_once_(std::move(at_once)) {}
  void look_up(const LoginRequest& request, Callback done) override {
    asked_for.push_back(request.credentials.user);
    if (at_once_) {
      done(*at_once_);
    } else {
      pending = std::move(done);
    }
  }
  LookupResult explain(std::string_view /*user*/) override { return UnknownHere{}; }
  [[nodiscard]] std::string_view name() const override { return "scripted"; }

  Callback pending;
  std::vector<std::string> asked_for;

 private:
  std::optional<LookupResult> at_once_;
};

LookupResult accepted(std::string user) {
  return Accepted{Route{.user = std::move(user), .pool = {}, .backend = {}}};
}

class ChainTest : public testing::Test {
 protected:
  ~ChainTest() override {
    chain_.reset();
    timers_.reset();
    loop_.drain();
  }

  // Adds a source that the test keeps a hand on.
  ScriptedSource& add(std::optional<LookupResult> at_once = std::nullopt) {
    auto source = std::make_unique<ScriptedSource>(std::move(at_once));
    ScriptedSource& kept = *source;
    sources_.push_back(std::move(source));
    return kept;
  }
  void make_chain(std::chrono::milliseconds deadline = 60s) {
    chain_ = std::make_unique<Chain>(*timers_, std::move(sources_), deadline);
  }
  [[nodiscard]] Chain::Ticket look_up() {
    return chain_->look_up(request_, [this](ChainResult result) {
      ++calls_;
      result_ = std::move(result);
      loop_.stop();
    });
  }
  template <typename Alternative>
  [[nodiscard]] bool is() const {
    return std::holds_alternative<Alternative>(result_.result);
  }

  net::Loop loop_;
  std::unique_ptr<net::TimerWheel> timers_ = std::make_unique<net::TimerWheel>(loop_);
  std::vector<std::unique_ptr<UserSource>> sources_;
  std::unique_ptr<Chain> chain_;
  dialogue::Credentials credentials_{"PLAIN", "alice", Secret("one")};
  LoginRequest request_{credentials_, {}, {}, "imaps", "session", true};
  ChainResult result_;
  int calls_ = 0;
};

TEST_F(ChainTest, TheFirstSourceThatKnowsTheUserDecides) {
  add(UnknownHere{});
  ScriptedSource& second = add();
  ScriptedSource& third = add(accepted("third"));
  make_chain();
  const auto ticket = look_up();
  EXPECT_EQ(calls_, 0);
  EXPECT_THAT(second.asked_for, testing::ElementsAre("alice"));
  second.pending(accepted("second"));
  ASSERT_EQ(calls_, 1);
  ASSERT_TRUE(is<Accepted>());
  EXPECT_EQ(std::get<Accepted>(result_.result).route.user, "second");
  EXPECT_EQ(result_.source, 1U);
  EXPECT_TRUE(third.asked_for.empty());
}

// Knows tokens and nothing else.
class TokenSource : public ScriptedSource {
 public:
  using ScriptedSource::ScriptedSource;
  [[nodiscard]] bool takes(const dialogue::Credentials& credentials) const override {
    return credentials.by_token();
  }
};

TEST_F(ChainTest, OnlySourcesThatCanJudgeTheCredentialsAreAsked) {
  ScriptedSource& passwords = add(Rejected{dialogue::LoginFailure::kWrongCredentials});
  sources_.push_back(std::make_unique<TokenSource>(accepted("token")));
  make_chain();
  credentials_.mechanism = "XOAUTH2";
  const auto token = look_up();
  ASSERT_TRUE(is<Accepted>());
  EXPECT_EQ(result_.source, 1U);
  EXPECT_TRUE(passwords.asked_for.empty());
  credentials_.mechanism = "PLAIN";
  const auto password = look_up();
  ASSERT_TRUE(is<Rejected>());
  EXPECT_EQ(result_.source, 0U);
}

TEST_F(ChainTest, CredentialsThatNoSourceCanJudgeAreRefused) {
  ScriptedSource& passwords = add(accepted("alice"));
  make_chain();
  credentials_.mechanism = "OAUTHBEARER";
  const auto ticket = look_up();
  ASSERT_TRUE(is<Rejected>());
  EXPECT_EQ(std::get<Rejected>(result_.result).failure, dialogue::LoginFailure::kWrongCredentials);
  EXPECT_EQ(result_.source, 0U);
  EXPECT_TRUE(passwords.asked_for.empty());
}

TEST_F(ChainTest, ARejectionIsFinal) {
  add(Rejected{dialogue::LoginFailure::kExpired});
  ScriptedSource& second = add(accepted("second"));
  make_chain();
  const auto ticket = look_up();
  ASSERT_TRUE(is<Rejected>());
  EXPECT_EQ(std::get<Rejected>(result_.result).failure, dialogue::LoginFailure::kExpired);
  EXPECT_TRUE(second.asked_for.empty());
}

TEST_F(ChainTest, AUserWhomNobodyKnowsHasWrongCredentials) {
  add(UnknownHere{});
  add(UnknownHere{});
  make_chain();
  const auto ticket = look_up();
  ASSERT_TRUE(is<Rejected>());
  EXPECT_EQ(std::get<Rejected>(result_.result).failure, dialogue::LoginFailure::kWrongCredentials);
  EXPECT_EQ(result_.source, 1U);
}

TEST_F(ChainTest, ASourceThatCannotAnswerEndsTheSearch) {
  add(Unavailable{"database is down"});
  ScriptedSource& second = add(accepted("second"));
  make_chain();
  const auto ticket = look_up();
  ASSERT_TRUE(is<Unavailable>());
  EXPECT_EQ(std::get<Unavailable>(result_.result).why, "database is down");
  EXPECT_TRUE(second.asked_for.empty());
}

TEST_F(ChainTest, AHungSourceIsUnavailableAtItsDeadlineAndItsLateAnswerIsNotHeard) {
  ScriptedSource& hung = add();
  make_chain(100ms);
  const auto ticket = look_up();
  const std::uint64_t begin = timers_->now_ms();
  loop_.run();
  EXPECT_GE(timers_->now_ms() - begin, 100U);
  ASSERT_EQ(calls_, 1);
  ASSERT_TRUE(is<Unavailable>());
  EXPECT_THAT(std::get<Unavailable>(result_.result).why,
              HasSubstr("source 0 (scripted): no answer within 100 ms"));
  hung.pending(accepted("late"));
  EXPECT_EQ(calls_, 1);
}

TEST_F(ChainTest, EachSourceHasADeadlineOfItsOwn) {
  ScriptedSource& first = add();
  ScriptedSource& second = add();
  make_chain(60s);
  const auto ticket = look_up();
  first.pending(UnknownHere{});
  first.pending(accepted("twice"));  // an answer that comes twice is not that of the next source
  EXPECT_EQ(calls_, 0);
  second.pending(accepted("second"));
  EXPECT_EQ(calls_, 1);
  EXPECT_EQ(result_.source, 1U);
}

TEST_F(ChainTest, ARequesterThatIsGoneHearsNothing) {
  ScriptedSource& first = add();
  ScriptedSource& second = add();
  make_chain();
  {
    auto ticket = look_up();
    ticket.cancel();
    first.pending(UnknownHere{});
    EXPECT_TRUE(second.asked_for.empty());
    ticket = look_up();
  }
  first.pending(accepted("late"));
  EXPECT_EQ(calls_, 0);
}

TEST_F(ChainTest, ATicketMayGoInsideTheCallback) {
  ScriptedSource& source = add();
  make_chain();
  std::optional<Chain::Ticket> ticket;
  ticket = chain_->look_up(request_, [&](const ChainResult&) {
    ++calls_;
    ticket.reset();
  });
  source.pending(accepted("alice"));
  EXPECT_EQ(calls_, 1);
  EXPECT_FALSE(ticket.has_value());
}

TEST_F(ChainTest, ATicketMayOutliveTheChain) {
  add();
  make_chain();
  const auto ticket = look_up();
  chain_.reset();
  EXPECT_EQ(calls_, 0);
}

}  // namespace
}  // namespace headgate::auth
