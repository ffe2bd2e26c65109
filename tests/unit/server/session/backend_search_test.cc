#include "server/session/backend_search.h"

#include <gtest/gtest.h>

#include <vector>

namespace headgate::server {
namespace {

std::shared_ptr<const balance::BackendSet> set_of(const std::vector<std::size_t>& addresses) {
  auto set = std::make_shared<balance::BackendSet>();
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    balance::Backend backend;
    backend.address = {"mail" + std::to_string(i), 143};
    for (std::size_t j = 0; j < addresses[i]; ++j) {
      backend.endpoints.push_back(
          *Endpoint::parse("10.0." + std::to_string(i) + "." + std::to_string(j) + ":143"));
    }
    set->backends.push_back(backend);
  }
  return set;
}

std::vector<std::string> all_attempts(BackendSearch search) {
  std::vector<std::string> seen;
  while (const auto attempt = search.next()) {
    seen.push_back((attempt->new_round ? "again " : "") + attempt->endpoint.ip.to_string());
  }
  return seen;
}

TEST(BackendSearch, TriesEveryCandidateInTheOrderOfThePolicy) {
  const auto seen = all_attempts(BackendSearch(set_of({1, 1, 1}), {.order = {2, 0, 1}}));
  ASSERT_EQ(seen.size(), 3 * BackendSearch::kRounds);
  EXPECT_EQ(seen[0], "10.0.2.0");
  EXPECT_EQ(seen[1], "10.0.0.0");
  EXPECT_EQ(seen[2], "10.0.1.0");
}

TEST(BackendSearch, TriesEveryAddressOfACandidateBeforeTheNextOne) {
  const auto seen = all_attempts(BackendSearch(set_of({2, 1}), {.order = {0, 1}}));
  EXPECT_EQ(seen[0], "10.0.0.0");
  EXPECT_EQ(seen[1], "10.0.0.1");
  EXPECT_EQ(seen[2], "10.0.1.0");
}

TEST(BackendSearch, SaysWhenItBeginsAgain) {
  const auto seen = all_attempts(BackendSearch(set_of({1}), {.order = {0}}));
  EXPECT_EQ(seen, (std::vector<std::string>{"10.0.0.0", "again 10.0.0.0", "again 10.0.0.0"}));
}

TEST(BackendSearch, EndsAtOnceWhenNoNameResolves) {
  EXPECT_TRUE(all_attempts(BackendSearch(set_of({0, 0}), {.order = {0, 1}})).empty());
}

TEST(BackendSearch, SkipsABackendWithoutAddresses) {
  const auto seen = all_attempts(BackendSearch(set_of({0, 1}), {.order = {0, 1}}));
  EXPECT_EQ(seen[0], "10.0.1.0");
}

TEST(BackendSearch, OfAnEmptyPoolFindsNothing) {
  EXPECT_TRUE(all_attempts(BackendSearch(set_of({}), {})).empty());
}

TEST(BackendSearch, KnowsWhichBackendItTriesNow) {
  BackendSearch search(set_of({1, 1}), {.order = {1, 0}});
  ASSERT_TRUE(search.next());
  EXPECT_EQ(search.current(), 1U);
  ASSERT_TRUE(search.next());
  EXPECT_EQ(search.current(), 0U);
}

std::shared_ptr<const balance::BackendSet> prepared(const std::vector<std::size_t>& addresses) {
  auto set = std::make_shared<balance::BackendSet>(*set_of(addresses));
  set->policy = balance::Policy::kFirst;
  balance::prepare(*set);
  return set;
}

TEST(BackendSearch, AsksThePolicyForTheOthersOnceTheFirstHasFailed) {
  const auto seen = all_attempts(BackendSearch(prepared({1, 1, 1}), 1, balance::Request{}));
  ASSERT_EQ(seen.size(), 3 * BackendSearch::kRounds);
  EXPECT_EQ(seen[0], "10.0.1.0");
  EXPECT_EQ(seen[1], "10.0.0.0");
  EXPECT_EQ(seen[2], "10.0.2.0");
  EXPECT_EQ(seen[3], "again 10.0.1.0");
}

TEST(BackendSearch, GoesElsewhereInsteadOfTheNextOneOnce) {
  BackendSearch search(prepared({1, 1, 2}), 0, balance::Request{});
  ASSERT_EQ(search.next()->backend, 0U);
  ASSERT_EQ(search.next()->backend, 1U);
  const auto other = search.instead(2);
  ASSERT_TRUE(other);
  EXPECT_EQ(other->backend, 2U);
  EXPECT_EQ(search.current(), 2U);
  EXPECT_FALSE(search.instead(0));  // this round has had it
  EXPECT_EQ(search.next()->endpoint.ip.to_string(), "10.0.2.1");
  EXPECT_EQ(search.next()->backend, 1U);
  EXPECT_TRUE(search.next()->new_round);
}

TEST(BackendSearch, BeginsWithTheAddressThatWorkedLast) {
  auto set = std::make_shared<balance::BackendSet>(*set_of({3, 1}));
  balance::Backend& backend = set->backends.front();
  backend.state = std::make_shared<balance::BackendState>();
  balance::note_address_worked(backend, backend.endpoints[1]);
  BackendSearch search(set, {.order = {0, 1}});
  EXPECT_EQ(search.next()->endpoint, backend.endpoints[1]);
  balance::note_address_failed(backend, backend.endpoints[1]);  // by this login or another one
  EXPECT_EQ(search.next_address(), backend.endpoints[2]);
  EXPECT_EQ(search.next()->endpoint, backend.endpoints[0]);
  EXPECT_FALSE(search.next_address());
  EXPECT_EQ(search.next()->backend, 1U);
  EXPECT_FALSE(search.next_address());
  const auto again = search.next();
  EXPECT_TRUE(again->new_round);
  EXPECT_EQ(again->endpoint, backend.endpoints[2]);
}

TEST(BackendSearch, GoesToABackendThatIsNoCandidate) {
  BackendSearch search(prepared({1, 1}), {.order = {0}});
  ASSERT_EQ(search.next()->backend, 0U);
  EXPECT_EQ(search.instead(1)->backend, 1U);
  EXPECT_EQ(search.next()->backend, 0U);
}

}  // namespace
}  // namespace headgate::server
