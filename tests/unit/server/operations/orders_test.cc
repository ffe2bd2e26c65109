#include "server/operations/orders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::server {
namespace {

using balance::Service;
using testing::HasSubstr;

std::shared_ptr<const balance::BackendSet> make_set(const std::string& pool) {
  auto set = std::make_shared<balance::BackendSet>();
  set->pool = pool;
  for (const char* name : {"one:143", "two:143"}) {
    balance::Backend backend;
    backend.address = HostPort::parse(name).value();
    backend.endpoints = {Endpoint{}};
    backend.hash = balance::backend_key(backend.address);
    backend.state = std::make_shared<balance::BackendState>();
    set->backends.push_back(std::move(backend));
  }
  balance::prepare(*set);
  return set;
}

// A key that tells pools apart, as Placement's does.
const Orders::Identify kIdentify = [](std::size_t pool, std::string_view user) {
  return balance::user_key(user) + pool;
};

BackendOrder order(Service service, std::optional<unsigned> weight = {}) {
  return {.service = service, .weight = weight, .rate = 5, .since = 1'700'000'000, .by = "alice"};
}

TEST(Orders, without_orders_the_pools_are_shared) {
  const Pools pools = {make_set("main"), make_set("other")};
  EXPECT_EQ(Orders().apply(pools, kIdentify), pools);
}

TEST(Orders, an_order_concerns_its_backend_in_its_pool_alone) {
  const Pools pools = {make_set("main"), make_set("other")};
  Orders orders;
  orders.set("main", "two:143", order(Service::kDraining, 7));
  const Pools ordered = orders.apply(pools, kIdentify);
  EXPECT_EQ(ordered[1], pools[1]);
  EXPECT_EQ(ordered[0]->backends[0].service, Service::kIn);
  EXPECT_EQ(ordered[0]->backends[1].service, Service::kDraining);
  EXPECT_EQ(ordered[0]->backends[1].weight, 7U);
  EXPECT_EQ(ordered[0]->backends[1].state, pools[0]->backends[1].state);
  EXPECT_EQ(ordered[0]->slots[1].kind, balance::Slot::Kind::kNobody);
  EXPECT_EQ(pools[0]->backends[1].service, Service::kIn);
}

TEST(Orders, a_disabled_backend_cannot_be_connected_to) {
  Orders orders;
  orders.set("main", "one:143", order(Service::kDisabled));
  const Pools ordered = orders.apply({make_set("main")}, kIdentify);
  EXPECT_TRUE(ordered[0]->backends[0].endpoints.empty());
  EXPECT_FALSE(balance::is_up(ordered[0]->backends[0], 0));
  for (std::uint64_t user = 0; user < 100; ++user) {
    EXPECT_EQ(balance::choose(*ordered[0], {.user = user}), 1U);
  }
}

TEST(Orders, no_policy_gives_a_draining_backend_a_new_user) {
  Orders orders;
  orders.set("main", "one:143", order(Service::kDraining));
  for (const auto policy :
       {balance::Policy::kUserHash, balance::Policy::kLeastSessions, balance::Policy::kPowerOfTwo,
        balance::Policy::kRoundRobin, balance::Policy::kRandom, balance::Policy::kFirst,
        balance::Policy::kSourceHash}) {
    auto set = std::make_shared<balance::BackendSet>(*make_set("main"));
    set->policy = policy;
    const Pools ordered = orders.apply({set}, kIdentify);
    for (std::uint64_t user = 0; user < 100; ++user) {
      EXPECT_EQ(balance::choose(*ordered[0],
                                {.user = user, .source = user, .random = user, .turn = user}),
                1U);
    }
  }
}

TEST(Orders, an_order_that_changes_nothing_is_forgotten) {
  Orders orders;
  orders.set("main", "one:143", order(Service::kDraining));
  orders.set("main", "one:143", order(Service::kIn));
  EXPECT_TRUE(orders.all().empty());
  orders.set("main", "one:143", order(Service::kIn, 5));
  EXPECT_EQ(orders.find("main", "one:143")->weight, 5U);
  orders.set("main", "gone:143", order(Service::kDisabled));
  EXPECT_EQ(orders.apply({make_set("main")}, kIdentify)[0]->backends.size(), 2U);
}

TEST(Orders, pins_become_a_table_of_their_pool) {
  Orders orders;
  EXPECT_TRUE(orders.pin("other", "alice", {.backend = "two:143", .since = 1, .by = "bob"}));
  const Pools pools = {make_set("main"), make_set("other")};
  const Pools ordered = orders.apply(pools, kIdentify);
  EXPECT_EQ(ordered[0], pools[0]);
  ASSERT_NE(ordered[1]->pins, nullptr);
  EXPECT_EQ(ordered[1]->pins->at(kIdentify(1, "alice")), pools[1]->backends[1].hash);
  EXPECT_TRUE(orders.unpin("other", "alice"));
  EXPECT_FALSE(orders.unpin("other", "alice"));
  EXPECT_EQ(orders.apply(pools, kIdentify), pools);
}

TEST(Orders, a_table_stays_as_long_as_its_pins_do) {
  Orders orders;
  orders.pin("main", "alice", {.backend = "two:143", .since = 1, .by = "bob"});
  orders.pin("other", "carol", {.backend = "two:143", .since = 1, .by = "bob"});
  const Pools pools = {make_set("main"), make_set("other")};
  const Pools first = orders.apply(pools, kIdentify);
  orders.set("main", "one:143", order(Service::kDraining));
  orders.pin("other", "dave", {.backend = "two:143", .since = 1, .by = "bob"});
  const Pools second = orders.apply(pools, kIdentify);
  EXPECT_EQ(second[0]->pins, first[0]->pins);
  EXPECT_NE(second[1]->pins, first[1]->pins);
  EXPECT_EQ(second[1]->pins->size(), 2U);
  // Another configuration may make something else of the same names.
  const Pools third = orders.apply(
      pools, [](std::size_t pool, std::string_view user) { return ~kIdentify(pool, user); });
  EXPECT_TRUE(third[0]->pins->contains(~kIdentify(0, "alice")));
  EXPECT_TRUE(orders.unpin("main", "alice"));
  EXPECT_EQ(orders.apply(pools, kIdentify)[0]->pins, nullptr);
}

TEST(Orders, what_a_state_file_keeps_comes_back) {
  Orders orders;
  orders.set("main", "one:143", order(Service::kMoving));
  orders.set("main", "two:143", order(Service::kIn, 0));
  orders.set("other", "[::1]:143", order(Service::kDisabled, 10));
  orders.pin("main", "alice", {.backend = "two:143", .since = 5, .by = "bob"});
  const auto again = Orders::from_json(orders.to_json());
  ASSERT_TRUE(again) << again.error();
  EXPECT_EQ(again->to_json(), orders.to_json());
  const BackendOrder* moving = again->find("main", "one:143");
  ASSERT_NE(moving, nullptr);
  EXPECT_EQ(moving->service, Service::kMoving);
  EXPECT_EQ(moving->rate, 5U);
  EXPECT_EQ(moving->since, 1'700'000'000);
  EXPECT_EQ(moving->by, "alice");
  EXPECT_EQ(again->find("main", "two:143")->weight, 0U);
  EXPECT_EQ(again->pins().at({"main", "alice"}).backend, "two:143");
}

TEST(Orders, a_broken_state_is_refused_with_the_place) {
  for (const char* text :
       {"", "{", "[]", "{}", R"({"version":2,"backends":[]})", R"({"version":1,"backends":{}})"}) {
    EXPECT_FALSE(Orders::from_json(text).has_value()) << text;
  }
  const char* entry =
      R"({"version":1,"backends":[{"pool":"main","backend":"a:1","service":"sleeping","weight":null,"rate":0,"since":1,"by":""}]})";
  EXPECT_THAT(Orders::from_json(entry).error(), HasSubstr("backends[0]"));
  EXPECT_FALSE(Orders::from_json(R"({"version":1,"backends":[7]})").has_value());
  EXPECT_FALSE(Orders::from_json(R"({"version":1,"backends":[],"pins":[{}]})").has_value());
  EXPECT_FALSE(Orders::from_json(R"({"version":1,"backends":[],"pins":7})").has_value());
}

}  // namespace
}  // namespace headgate::server
