#include "server/operations/move_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "server/operations/orders.h"

namespace headgate::server {
namespace {

using testing::HasSubstr;

MoveOrder order_of(const std::vector<std::string>& users, std::string to = "two:143") {
  MoveOrder order{.pool = "main", .to = std::move(to), .by = "alice", .since = 5, .moves = {}};
  for (const std::string& user : users) {
    order.moves.push_back({.user = user, .from = "one:143"});
  }
  return order;
}

TEST(MoveLog, counts_follow_the_states_of_users) {
  MoveLog log;
  const auto id = log.add(order_of({"a", "b", "c"})).value();
  EXPECT_EQ(id, 1U);
  log.change({id, 0}, MoveState::kEnding, 7);
  log.change({id, 1}, MoveState::kDone, 8, [](Move& move) { move.ended = 3; });
  const MoveOrder& order = *log.find(id);
  EXPECT_EQ(order.count(MoveState::kWaiting), 1U);
  EXPECT_EQ(order.over(), 1U);
  EXPECT_EQ(log.at({id, 1}).ended, 3U);
  EXPECT_EQ(log.at({id, 1}).since, 8);
  EXPECT_EQ(log.find(2), nullptr);
}

TEST(MoveLog, the_newest_move_of_a_user_is_one_that_is_in_force) {
  MoveLog log;
  const auto first = log.add(order_of({"a", "b"})).value();
  const auto second = log.add(order_of({"a"}, "three:143")).value();
  EXPECT_EQ(log.newest("a"), (MoveLog::Ref{second, 0}));
  EXPECT_EQ(log.newest("main", "b"), (MoveLog::Ref{first, 1}));
  log.change({second, 0}, MoveState::kUndone, 1);
  EXPECT_EQ(log.newest("a"), (MoveLog::Ref{first, 0}));
  log.change({first, 0}, MoveState::kFailed, 1);
  EXPECT_FALSE(log.newest("a").has_value());
  EXPECT_FALSE(log.newest("other", "b").has_value());
}

TEST(MoveLog, the_oldest_that_are_over_make_room) {
  MoveLog log;
  const std::vector<std::string> many(MoveLog::kMostMoves - 1, "u");
  const auto first = log.add(order_of(many)).value();
  EXPECT_TRUE(log.add(order_of({"a"})).has_value());
  EXPECT_FALSE(log.add(order_of({"b"})).has_value());
  for (std::size_t at = 0; at < many.size(); ++at) {
    log.change({first, at}, MoveState::kDone, 1);
  }
  EXPECT_EQ(log.add(order_of({"b"})), 3U);
  EXPECT_EQ(log.find(first), nullptr);
}

TEST(MoveLog, a_state_file_brings_moves_back_and_those_under_way_begin_again) {
  MoveLog log;
  MoveOrder order = order_of({"waiting", "ending", "held", "done", "failed", "back"});
  order.hold_s = 60;
  order.rate = 7;
  const auto id = log.add(std::move(order)).value();
  log.change({id, 1}, MoveState::kEnding, 1);
  log.change({id, 2}, MoveState::kHeld, 1, [](Move& move) { move.until = 99; });
  log.change({id, 3}, MoveState::kDone, 1, [](Move& move) {
    move.before = UserPin{.backend = "three:143", .since = 4, .by = "bob"};
  });
  log.change({id, 4}, MoveState::kFailed, 1, [](Move& move) { move.detail = "hook: no"; });
  log.change({id, 5}, MoveState::kHook, 1, [](Move& move) { move.back = true; });
  log.stop(id, true);
  Orders orders;
  orders.pin("main", "done", {.backend = "two:143", .since = 1, .by = "alice"});
  const std::string text = orders.to_json(log);
  EXPECT_EQ(Orders::from_json(text)->pins().size(), 1U);
  const auto again = MoveLog::from_json(text);
  ASSERT_TRUE(again) << again.error();
  const MoveOrder& known = *again->find(id);
  EXPECT_EQ(known.hold_s, 60);
  EXPECT_EQ(known.rate, 7U);
  EXPECT_TRUE(known.stopped);
  EXPECT_EQ(known.moves[1].state, MoveState::kWaiting);
  EXPECT_EQ(known.moves[2].state, MoveState::kHeld);
  EXPECT_EQ(known.moves[2].until, 99);
  EXPECT_EQ(known.moves[3].before->backend, "three:143");
  EXPECT_EQ(known.moves[4].detail, "hook: no");
  EXPECT_EQ(known.moves[5].state, MoveState::kWaiting);
  EXPECT_TRUE(known.moves[5].back);
  EXPECT_EQ(known.count(MoveState::kWaiting), 3U);
}

TEST(MoveLog, a_state_without_moves_has_none_and_a_broken_one_is_refused) {
  EXPECT_TRUE(MoveLog::from_json(R"({"version":1,"backends":[]})")->all().empty());
  for (
      const char* text :
      {R"({"moves":7})", R"({"moves":[7]})", R"({"moves":[{"id":1}]})",
       R"({"moves":[{"id":1,"pool":"p","to":"b:1","users":[{"user":"a","state":"gone"}]}]})",
       R"({"moves":[{"id":1,"pool":"p","to":"b:1","users":[{"user":"a","state":"done","before":1}]}]})"}) {
    const auto log = MoveLog::from_json(text);
    ASSERT_FALSE(log) << text;
    EXPECT_THAT(log.error(), HasSubstr("moves[0]"));
  }
}

TEST(MoveLog, every_state_has_a_name) {
  for (std::size_t at = 0; at < kMoveStates; ++at) {
    const auto state = static_cast<MoveState>(at);
    EXPECT_EQ(move_state(name(state)), state);
  }
  EXPECT_FALSE(move_state("sleeping").has_value());
}

}  // namespace
}  // namespace headgate::server
