#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "config/config.h"

namespace headgate::config {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

auto load_moves(const std::string& moves) {
  return load_text("t.yaml",
                   "listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
                   "pools: {main: {backends: [{address: \"b:143\"}]}}\n"
                   "users: [{source: backend, pool: main}]\n"
                   "admin: {moves: {" +
                       moves + "}}\n");
}

std::string moves_error(const std::string& moves) {
  const auto loaded = load_moves(moves);
  return loaded ? std::string() : loaded.error().front().to_string();
}

TEST(Moves, have_defaults_without_a_hook) {
  const auto config = load_moves("");
  ASSERT_TRUE(config) << config.error().front().to_string();
  const config::Moves& moves = config->admin.moves;
  EXPECT_EQ(moves.rate, 10U);
  EXPECT_EQ(moves.hold, 60s);
  EXPECT_EQ(moves.when_failed, WhenMoveFails::kUndo);
  EXPECT_FALSE(moves.hook.has_value());
}

TEST(Moves, a_hook_is_a_command_or_a_url) {
  const auto command = load_moves(
      "rate: 5, parallel: 3, hold: 2m, max_waiting: 7, settle: 0s, when_failed: complete, "
      "hook: {command: [/bin/sh, -c, \"echo {user} {from} {to} {pool}\"], timeout: 5s}");
  ASSERT_TRUE(command) << command.error().front().to_string();
  const config::Moves& moves = command->admin.moves;
  EXPECT_EQ(moves.parallel, 3U);
  EXPECT_EQ(moves.max_waiting, 7U);
  EXPECT_EQ(moves.settle, 0ms);
  EXPECT_EQ(moves.when_failed, WhenMoveFails::kComplete);
  EXPECT_THAT(moves.hook->command, ElementsAre("/bin/sh", "-c", "echo {user} {from} {to} {pool}"));
  EXPECT_EQ(moves.hook->timeout, 5s);
  const auto request = load_moves(
      "hook: {url: \"http://127.0.0.1:1/flush\", headers: [{name: X-Key, value: secret}]}");
  ASSERT_TRUE(request) << request.error().front().to_string();
  EXPECT_EQ(request->admin.moves.hook->url->target, "/flush");
}

TEST(Moves, what_is_wrong_is_said_where_it_stands) {
  EXPECT_THAT(moves_error("rate: 0"), HasSubstr("admin.moves.rate: expected a whole number"));
  EXPECT_THAT(moves_error("parallel: 0"), HasSubstr("admin.moves.parallel"));
  EXPECT_THAT(moves_error("hold: 0s"), HasSubstr("admin.moves.hold: expected a duration"));
  EXPECT_THAT(moves_error("max_waiting: 0"), HasSubstr("admin.moves.max_waiting"));
  EXPECT_THAT(moves_error("settle: 2m"), HasSubstr("admin.moves.settle"));
  EXPECT_THAT(moves_error("when_failed: pray"), HasSubstr("one of undo, complete"));
  EXPECT_THAT(moves_error("hook: {}"), HasSubstr("admin.moves.hook: expected either command or"));
  EXPECT_THAT(moves_error("hook: {command: [/bin/true], url: \"http://a/\"}"),
              HasSubstr("either command or url"));
  EXPECT_THAT(moves_error("hook: {command: [true]}"), HasSubstr("the absolute path of a program"));
  EXPECT_THAT(moves_error("hook: {command: []}"), HasSubstr("admin.moves.hook.command"));
  EXPECT_THAT(moves_error("hook: {command: [/nowhere/flush]}"),
              HasSubstr("admin.moves.hook.command[0]: expected a program that can be run"));
  for (const char* argument : {"{users}", "{user", "user}", "{}"}) {
    EXPECT_THAT(moves_error(std::string("hook: {command: [/bin/true, \"") + argument + "\"]}"),
                HasSubstr("admin.moves.hook.command[1]: expected in braces only {user}"))
        << argument;
  }
  EXPECT_THAT(moves_error("hook: {command: [/bin/true], verify: false}"),
              HasSubstr("admin.moves.hook.verify: expected nothing with command"));
  EXPECT_THAT(moves_error("hook: {url: \"ftp://a/\"}"), HasSubstr("admin.moves.hook.url"));
  EXPECT_THAT(moves_error("hook: {command: [/bin/true], timeout: 0s}"),
              HasSubstr("admin.moves.hook.timeout"));
}

}  // namespace
}  // namespace headgate::config
