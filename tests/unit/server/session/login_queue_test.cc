#include "server/session/login_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/loop.h"

namespace headgate::server {
namespace {

using Answer = LoginQueue::Answer;
using Call = LoginQueue::Call;
using Outcome = balance::Admission::Outcome;

constexpr balance::AdmissionRules kTwo{.on = true, .least = 2, .most = 2, .queue = 10};

// A login that notes what it is told.
struct Login {
  explicit Login(LoginQueue& queue)
      : place(queue, this,
              [](void* self, Call what) noexcept { static_cast<Login*>(self)->call = what; }) {}
  std::optional<Call> call;
  LoginQueue::Place place;
};

// Workers have queues of their own and share the backend.
class LoginQueueTest : public testing::Test {
 protected:
  LoginQueueTest() {
    for (int worker = 0; worker < 2; ++worker) {
      queues.push_back(std::make_unique<LoginQueue>(*wheel, metrics, 2));
    }
  }
  ~LoginQueueTest() override {
    logins.clear();
    queues.clear();
    wheel.reset();
    loop.drain();
  }

  Login& login(std::size_t worker = 0) {
    return *logins.emplace_back(std::make_unique<Login>(*queues[worker]));
  }
  Answer enter(Login& login, std::size_t worker = 0, const balance::AdmissionRules& rules = kTwo) {
    return queues[worker]->enter(login.place, backend, rules);
  }
  [[nodiscard]] const balance::Admission& admission() const { return backend->admission; }

  net::Loop loop;
  std::unique_ptr<net::TimerWheel> wheel = std::make_unique<net::TimerWheel>(loop);
  metrics::WorkerMetrics metrics{std::vector<std::string>{}};
  std::vector<std::unique_ptr<LoginQueue>> queues;
  std::vector<std::unique_ptr<Login>> logins;
  std::shared_ptr<balance::BackendState> backend = std::make_shared<balance::BackendState>();
};

TEST_F(LoginQueueTest, SoManyBeginAndTheOthersAreCalledInOrder) {
  std::vector<Login*> all;
  for (int i = 0; i < 5; ++i) {
    all.push_back(&login());
    EXPECT_EQ(enter(*all.back()), i < 2 ? Answer::kBegin : Answer::kWait);
  }
  EXPECT_EQ(admission().under_way(), 2U);
  EXPECT_EQ(admission().waiting(), 3U);
  for (int i = 0; i < 3; ++i) {
    all[i]->place.end(Outcome::kIn, 1000);
    EXPECT_EQ(all[i + 2]->call, Call::kTurn);
  }
  EXPECT_EQ(admission().under_way(), 2U);
  all[3]->place.end(Outcome::kNothing, 0);
  all[4]->place.end(Outcome::kFailed, 0);
  EXPECT_EQ(admission().under_way(), 0U);
  EXPECT_EQ(admission().waiting(), 0U);
}

TEST_F(LoginQueueTest, WhoComesLaterDoesNotOvertake) {
  Login& first = login();
  Login& second = login();
  enter(first);
  enter(second);
  Login& third = login();
  ASSERT_EQ(enter(third), Answer::kWait);
  const balance::AdmissionRules more{.on = true, .least = 3, .most = 3, .queue = 10};
  Login& fourth = login();
  EXPECT_EQ(enter(fourth, 0, more), Answer::kWait);
}

TEST_F(LoginQueueTest, AFullQueueRefusesAndOneThatGaveUpMakesRoom) {
  const balance::AdmissionRules rules{.on = true, .least = 1, .most = 1, .queue = 1};
  Login& first = login();
  Login& second = login();
  Login& third = login();
  EXPECT_EQ(enter(first, 0, rules), Answer::kBegin);
  EXPECT_EQ(enter(second, 0, rules), Answer::kWait);
  EXPECT_EQ(enter(third, 0, rules), Answer::kFull);
  EXPECT_EQ(admission().refused(), 1U);
  second.place.give_up();
  EXPECT_EQ(admission().refused(), 2U);
  EXPECT_EQ(enter(third, 0, rules), Answer::kWait);
  first.place.end(Outcome::kIn, 1000);
  EXPECT_EQ(third.call, Call::kTurn);
  EXPECT_FALSE(second.call);
}

TEST_F(LoginQueueTest, WhatGoesAwayGivesItsPlaceBack) {
  auto* first = &login();
  auto* second = &login();
  auto* third = &login();
  auto* fourth = &login();
  for (auto* one : {first, second, third, fourth}) {
    enter(*one);
  }
  std::erase_if(logins, [&](const auto& one) { return one.get() == third; });  // it waited
  std::erase_if(logins, [&](const auto& one) { return one.get() == first; });  // it did not
  EXPECT_EQ(fourth->call, Call::kTurn);
  EXPECT_EQ(admission().waiting(), 0U);
  EXPECT_EQ(admission().under_way(), 2U);
  EXPECT_EQ(admission().refused(), 0U);
}

TEST_F(LoginQueueTest, AWorkerWithoutAnyMayAlwaysBeginOne) {
  enter(login(0), 0);
  enter(login(0), 0);
  EXPECT_EQ(enter(login(0), 0), Answer::kWait);
  EXPECT_EQ(enter(login(1), 1), Answer::kBegin);
  EXPECT_EQ(enter(login(1), 1), Answer::kWait);
  EXPECT_EQ(admission().under_way(), 3U);
}

TEST_F(LoginQueueTest, AWorkerLeavesTheOthersTheirShareWhileTheyWait) {
  const balance::AdmissionRules four{.on = true, .least = 4, .most = 4, .queue = 10};
  std::vector<Login*> mine;
  for (int i = 0; i < 6; ++i) {
    mine.push_back(&login(0));
    enter(*mine.back(), 0, four);
  }
  std::vector<Login*> other;
  for (int i = 0; i < 3; ++i) {
    other.push_back(&login(1));
    enter(*other.back(), 1, four);
  }
  ASSERT_EQ(admission().under_way(), 5U);
  mine[0]->place.end(Outcome::kIn, 1000);
  mine[1]->place.end(Outcome::kIn, 1000);
  EXPECT_FALSE(mine[4]->call) << "took more than its share";
  other[0]->place.end(Outcome::kIn, 1000);
  EXPECT_EQ(other[1]->call, Call::kTurn);
  EXPECT_EQ(other[2]->call, Call::kTurn);
  mine[2]->place.end(Outcome::kIn, 1000);
  EXPECT_EQ(mine[4]->call, Call::kTurn);
}

TEST_F(LoginQueueTest, RoomThatAnotherWorkerLeavesIsFoundInAMoment) {
  Login& mine = login(0);
  Login& one = login(1);
  Login& two = login(1);
  enter(one, 1);
  enter(two, 1);
  enter(mine, 0);  // its worker had none
  Login& waiting = login(0);
  ASSERT_EQ(enter(waiting, 0), Answer::kWait);
  one.place.end(Outcome::kIn, 1000);
  two.place.end(Outcome::kIn, 1000);
  EXPECT_FALSE(waiting.call);
  loop.drain();
  EXPECT_EQ(waiting.call, Call::kTurn);
}

TEST_F(LoginQueueTest, WhenTheBackendFailsNobodyWaitsForIt) {
  enter(login());
  enter(login());
  Login& waiting = login();
  enter(waiting);
  balance::note_taken_out(*backend);
  loop.drain();
  EXPECT_EQ(waiting.call, Call::kBackendDown);
  EXPECT_EQ(admission().waiting(), 0U);
  EXPECT_EQ(admission().under_way(), 2U);
  waiting.place.end(Outcome::kIn, 1000);  // it has no place
  EXPECT_EQ(admission().under_way(), 2U);
}

TEST_F(LoginQueueTest, BackendsThatNobodyIsAtAreForgotten) {
  std::vector<std::weak_ptr<balance::BackendState>> seen;
  for (int i = 0; i < 1000; ++i) {
    const auto other = std::make_shared<balance::BackendState>();
    seen.push_back(other);
    Login passing(*queues[0]);
    EXPECT_EQ(queues[0]->enter(passing.place, other, kTwo), Answer::kBegin);
  }
  const auto kept = std::ranges::count_if(seen, [](const auto& one) { return !one.expired(); });
  EXPECT_LE(kept, 64);
}

TEST_F(LoginQueueTest, TheLogIsToldOnceWhenLoginsBeginToWait) {
  enter(login());
  enter(login());
  Login& third = login();
  enter(third);
  EXPECT_TRUE(queues[0]->begins_to_wait(third.place));
  Login& fourth = login();
  enter(fourth);
  EXPECT_FALSE(queues[0]->begins_to_wait(fourth.place));
}

}  // namespace
}  // namespace headgate::server
