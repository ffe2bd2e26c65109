#include "server/session/routing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "auth/pool_memory.h"

namespace headgate::server {
namespace {

using testing::HasSubstr;

config::Config make_config(const std::string& routes) {
  auto config =
      config::load_text("t.yaml",
                        "listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
                        "pools:\n"
                        "  one: {backends: [{address: \"one:143\"}, {address: \"both:143\"}]}\n"
                        "  two: {backends: [{address: \"two:143\"}, {address: \"both:143\"}]}\n"
                        "  three: {backends: [{address: \"three:143\"}]}\n"
                        "users:\n"
                        "  - {source: passwd_file, path: p, pool: two}\n"
                        "  - {source: backend, pool: one}\n" +
                            routes,
                        config::Files::kIgnore);
  if (!config) {
    ADD_FAILURE() << config.error().front().to_string();
    return {};
  }
  return std::move(*config);
}

auth::Route plain() {
  return {.user = "u", .pool = {}, .backend = {}, .use_master = false};
}
HostPort backend(std::string_view text) {
  return HostPort::parse(text).value();
}

TEST(Routing, without_a_rule_the_pool_of_the_source_decides) {
  const config::Config config = make_config("");
  const Routing routing(config);
  EXPECT_EQ(routing.route("a@b", plain(), 0)->pool, 1U);
  const auto routed = routing.route("a@b", plain(), 1);
  EXPECT_EQ(routed->pool, 0U);
  EXPECT_EQ(routed->by, RoutedBy::kDefault);
  EXPECT_EQ(routing.explain(*routed), "pool of users[1], source backend; no route matches");
}

TEST(Routing, of_several_pools_the_one_whose_turn_it_is_decides_unless_a_route_does) {
  config::Config config = make_config("routes: [{domain: example.org, pool: three}]\n");
  config.users[1].backend = config::BackendChain{.then = {"two"}};
  const Routing routing(config);
  const auto memory = std::make_shared<auth::PoolMemory>(auth::PoolChain{{"one", "two"}});
  auth::Route route = plain();
  route.trial = std::make_shared<auth::PoolTrial>(memory, "a@b");
  auto routed = routing.route("a@b", route, 1);
  EXPECT_EQ(routed->pool, 0U);
  EXPECT_EQ(routing.explain(*routed),
            "users[1], source backend, asks it first; of one, two, asked until one takes the "
            "password");
  EXPECT_TRUE(route.trial->next());
  EXPECT_EQ(routing.route("a@b", route, 1)->pool, 1U);
  EXPECT_EQ(routing.route("a@example.org", route, 1)->by, RoutedBy::kRoute);
  memory->learn("a@b", 1);
  route.trial = std::make_shared<auth::PoolTrial>(memory, "a@b");
  routed = routing.route("a@b", route, 1);
  EXPECT_EQ(routed->pool, 1U);
  EXPECT_THAT(routing.explain(*routed), HasSubstr("remembers that the user is there"));
}

TEST(Routing, first_route_that_matches_wins) {
  const config::Config config = make_config(
      "routes:\n"
      "  - {pattern: 'admin@.*', pool: three}\n"
      "  - {domain: Example.org, pool: two}\n"
      "  - {domain: example.org, pool: three}\n");
  const Routing routing(config);
  const auto domain = routing.route("alice@EXAMPLE.org", plain(), 1);
  EXPECT_EQ(domain->pool, 1U);
  EXPECT_EQ(domain->by, RoutedBy::kRoute);
  EXPECT_EQ(domain->rule, 1U);
  EXPECT_EQ(routing.explain(*domain), "routes[1]: domain example.org");
  const auto pattern = routing.route("Admin@example.org", plain(), 1);
  EXPECT_EQ(pattern->pool, 2U);
  EXPECT_EQ(routing.explain(*pattern), "routes[0]: pattern admin@.*");
}

TEST(Routing, domain_is_what_follows_the_last_at_sign) {
  const config::Config config = make_config("routes: [{domain: example.org, pool: three}]\n");
  const Routing routing(config);
  EXPECT_EQ(routing.route("a@b@example.org", plain(), 1)->pool, 2U);
  EXPECT_EQ(routing.route("a@example.org@b", plain(), 1)->pool, 0U);
  EXPECT_EQ(routing.route("a@sub.example.org", plain(), 1)->pool, 0U);
  EXPECT_EQ(routing.route("example.org", plain(), 1)->pool, 0U);
  EXPECT_EQ(routing.route("", plain(), 1)->pool, 0U);
}

TEST(Routing, pattern_is_held_against_the_whole_name) {
  const config::Config config = make_config("routes: [{pattern: '[a-m].*', pool: three}]\n");
  const Routing routing(config);
  EXPECT_EQ(routing.route("alice", plain(), 1)->pool, 2U);
  EXPECT_EQ(routing.route("ALICE", plain(), 1)->pool, 2U);
  EXPECT_EQ(routing.route("zalice", plain(), 1)->pool, 0U);
}

TEST(Routing, what_the_source_names_goes_before_the_routes) {
  const config::Config config = make_config("routes: [{pattern: '.*', pool: one}]\n");
  const Routing routing(config);
  auth::Route route = plain();
  route.pool = "three";
  const auto pool = routing.route("a", route, 0);
  EXPECT_EQ(pool->pool, 2U);
  EXPECT_EQ(routing.explain(*pool), "users[0], source passwd_file, names the pool");
  route.pool.reset();
  route.backend = backend("three:143");
  const auto pinned = routing.route("a", route, 0);
  EXPECT_EQ(pinned->pool, 2U);
  EXPECT_EQ(pinned->backend, backend("three:143"));
  EXPECT_EQ(routing.explain(*pinned), "users[0], source passwd_file, names the backend");
}

TEST(Routing, backend_in_several_pools_is_taken_from_the_named_or_own_pool) {
  const config::Config config = make_config("");
  const Routing routing(config);
  auth::Route route = plain();
  route.backend = backend("both:143");
  EXPECT_EQ(routing.route("a", route, 0)->pool, 1U);
  EXPECT_EQ(routing.route("a", route, 1)->pool, 0U);
  route.pool = "two";
  EXPECT_EQ(routing.route("a", route, 1)->pool, 1U);
}

TEST(Routing, backend_in_no_pool_is_reached_by_the_pool_of_the_source) {
  const config::Config config = make_config("");
  const Routing routing(config);
  auth::Route route = plain();
  route.backend = backend("elsewhere:143");
  EXPECT_EQ(routing.route("a", route, 0)->pool, 1U);
  EXPECT_EQ(routing.route("a", route, 0)->backend, backend("elsewhere:143"));
  route.pool = "three";
  EXPECT_EQ(routing.route("a", route, 0)->pool, 2U);
}

TEST(Routing, pool_that_does_not_exist_is_an_error) {
  const config::Config config = make_config("");
  const Routing routing(config);
  auth::Route route = plain();
  route.pool = "four";
  EXPECT_THAT(routing.route("a", route, 0).error(), HasSubstr("users[0] names pool 'four'"));
}

TEST(Routing, evil_pattern_and_name_take_little_time) {
  const config::Config config = make_config(
      "routes: [{pattern: '(a+)+b', pool: three}, {pattern: '((a|aa)+)+c', pool: two}]\n");
  const Routing routing(config);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(routing.route(std::string(kMaxUserName, 'a'), plain(), 1)->pool, 0U);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  EXPECT_THAT(routing.route(std::string(kMaxUserName + 1, 'a'), plain(), 1).error(),
              HasSubstr("at most 512 bytes"));
}

}  // namespace
}  // namespace headgate::server
