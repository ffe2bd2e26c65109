#include "server/session/idle_search.h"

#include <gtest/gtest.h>

#include <optional>
#include <thread>
#include <vector>

namespace headgate::server {
namespace {

// The search never looks at the login: it only keeps it for its worker.
Session& somebody() {
  static char place = 0;
  return reinterpret_cast<Session&>(place);
}

using Found = IdleSearch::Found;

TEST(IdleSearch, TheLastWorkerLearnsWhoHasBeenIdleForLongest) {
  IdleSearch search(7, 1000, 0, 3, somebody());
  EXPECT_FALSE(search.answer(Found{.worker = 0, .session = 11, .moved_ms = 500}));
  EXPECT_FALSE(search.answer(Found{.worker = 1, .session = 12, .moved_ms = 300}));
  const auto outcome = search.answer(std::nullopt);
  ASSERT_TRUE(outcome);
  ASSERT_TRUE(outcome->oldest);
  EXPECT_EQ(outcome->oldest->worker, 1U);
  EXPECT_EQ(outcome->oldest->session, 12U);
}

TEST(IdleSearch, WithoutAnIdleSessionThereIsNone) {
  IdleSearch search(7, 1000, 0, 2, somebody());
  EXPECT_FALSE(search.answer(std::nullopt));
  const auto outcome = search.answer(std::nullopt);
  ASSERT_TRUE(outcome);
  EXPECT_FALSE(outcome->oldest);
}

TEST(IdleSearch, OneWorkerOfManyIsTheLast) {
  IdleSearch search(7, 1000, 0, 8, somebody());
  std::atomic<int> outcomes = 0;
  std::vector<std::thread> workers;
  for (std::size_t worker = 0; worker < 8; ++worker) {
    workers.emplace_back([&, worker] {
      const auto outcome =
          search.answer(Found{.worker = worker, .session = worker, .moved_ms = 100 - worker});
      if (outcome) {
        ++outcomes;
        EXPECT_EQ(outcome->oldest->session, 7U);
      }
    });
  }
  for (std::thread& worker : workers) {
    worker.join();
  }
  EXPECT_EQ(outcomes, 1);
}

TEST(IdleSearch, ALoginThatIsGoneIsForgotten) {
  IdleSearch search(7, 1000, 0, 1, somebody());
  EXPECT_EQ(search.login(), &somebody());
  search.forget_login();
  EXPECT_EQ(search.login(), nullptr);
}

}  // namespace
}  // namespace headgate::server
