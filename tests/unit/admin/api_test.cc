#include "admin/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "admin/request_parts.h"

namespace headgate::admin {
namespace {

using nlohmann::json;

// Answers from what a test has put there, and notes what it was asked.
class FakeControl final : public Control {
 public:
  StatusView status() override {
    StatusView status;
    status.version = "1.2.3";
    status.sessions = {{"relay", 7}};
    return status;
  }
  std::vector<PoolView> pools() override {
    PoolView quiet;
    quiet.name = "quiet";
    PoolView busy;
    busy.name = "main";
    busy.waiting = 3;
    busy.load_spread = 1.25;
    return {quiet, busy};
  }
  std::vector<BackendView> backends() override { return {of("main"), of("other")}; }
  std::expected<SessionPage, Problem> sessions(const SessionQuery& query) override {
    asked = query;
    return page;
  }
  std::expected<Changed, Problem> change(const std::string& pool, const HostPort& backend,
                                         const BackendChange& change,
                                         const std::string& by) override {
    if (pool != "main") {
      return std::unexpected(Problem{404, "there is no pool " + pool});
    }
    changed = {change};
    changed_backend = backend.to_string();
    changed_by = by;
    return Changed{.backend = of(pool), .warning = "so so"};
  }
  std::expected<std::size_t, Problem> kick(const SessionFilter& filter,
                                           const std::string&) override {
    kicked = filter;
    return 3;
  }

  PinPage pins(const PinQuery& query) override {
    asked_pins = query;
    return {.pins = {{.pool = "main", .user = "a/b", .backend = "b:1", .since = 1, .by = "bob"}},
            .more = query.user.empty()};
  }
  PinQuery asked_pins;
  std::expected<Pinned, Problem> pin(const std::string& pool, const std::string& user,
                                     const HostPort& backend, const std::string& by) override {
    return Pinned{
        .pin = {.pool = pool, .user = user, .backend = backend.to_string(), .since = 1, .by = by},
        .warning = {}};
  }
  std::expected<MoveStarted, Problem> move(const MoveRequest& request,
                                           const std::string& by) override {
    moved = request;
    MoveStarted started{.move = order(7), .user = {}, .left_out = 3, .warning = {}};
    started.move.by = by;
    started.move.to = request.to->to_string();
    if (request.users.size() == 1) {
      started.user = MovedUserView{.user = request.users[0], .from = "b:1", .state = "done"};
      started.user->ended = 2;
    }
    return started;
  }
  MovePage moves(std::uint64_t before, std::size_t limit) override {
    EXPECT_NE(before, 0U);
    return {.moves = std::vector<MoveView>(std::min<std::size_t>(limit, 2), order(9)),
            .more = true};
  }
  std::expected<MovedUserPage, Problem> moved_users(std::uint64_t move, const std::string& state,
                                                    std::size_t first, std::size_t) override {
    if (move != 7) {
      return std::unexpected(Problem{404, "there is no move"});
    }
    MovedUserView user{.user = state, .from = "b:1", .state = "held"};
    user.until = 5;
    return MovedUserPage{.move = order(7), .users = {user}, .next = first + 1};
  }
  std::expected<MoveTold, Problem> tell_move(std::uint64_t move, MoveWord word) override {
    words.push_back(word);
    return MoveTold{.move = move, .users = 4, .warning = {}};
  }
  std::expected<MoveTold, Problem> tell_move_of(const std::string& user, MoveWord word) override {
    words.push_back(word);
    if (user != "alice") {
      return std::unexpected(Problem{409, "is not held"});
    }
    return MoveTold{.move = 7, .users = 1, .warning = {}};
  }
  static MoveView order(std::uint64_t number) {
    MoveView view;
    view.move = number;
    view.pool = "main";
    view.state = "running";
    view.users = 10;
    view.counts = {{"waiting", 4}, {"done", 6}};
    view.left_s = 12;
    return view;
  }
  MoveRequest moved;
  std::vector<MoveWord> words;
  std::expected<std::vector<std::string>, std::vector<std::string>> reload() override {
    if (good_configuration) {
      return std::vector<std::string>{"pools.main.policy: user_hash -> first"};
    }
    return std::unexpected(std::vector<std::string>{"headgate.yaml:1: no", "headgate.yaml:2: no"});
  }
  std::expected<ExplanationView, std::string> explain(const std::string& user,
                                                      const IpAddress& client) override {
    if (user != "alice") {
      return std::unexpected("no login: no source knows the user");
    }
    return ExplanationView{.user = user,
                           .backend_user = client.to_string(),
                           .source = "s",
                           .pool = "main",
                           .pool_reason = "r",
                           .backend_reason = "b",
                           .candidates = {"mail1:143", "mail2:143"},
                           .health = {}};
  }
  bool good_configuration = true;
  std::pair<std::size_t, std::string> unpin(const std::string& user) override {
    return {user == "alice" ? 1 : 0, ""};
  }

  static BackendView of(const std::string& pool) {
    BackendView view;
    view.pool = pool;
    view.backend = "mail1:143";
    view.service = "moving";
    view.order = OrderView{.by = "alice", .since = 1, .rate = 5, .left_s = 60};
    return view;
  }

  SessionPage page;
  SessionQuery asked;
  std::vector<BackendChange> changed;
  std::string changed_backend;
  std::string changed_by;
  std::optional<SessionFilter> kicked;
};

class ApiTest : public testing::Test {
 protected:
  ApiTest() {
    tokens_.push_back({.name = "alice",
                       .role = config::TokenRole::kOperator,
                       .token = Secret("change-change-change")});
  }
  Response ask(std::string_view method, std::string_view path, std::string_view query = {},
               std::string_view body = {},
               std::string_view authorization = "Bearer change-change-change") {
    const Access access(tokens_);
    for (const Route& route : api_routes(control_, access)) {
      const auto segments = match_path(route.path, path);
      if (segments && route.method == method) {
        return route.handle({.method = method,
                             .path = path,
                             .query = query,
                             .body = body,
                             .authorization = authorization,
                             .peer = "127.0.0.1",
                             .segments = *segments});
      }
    }
    return json_error(404, "no route");
  }
  void add_session(std::uint64_t id, std::string user) {
    SessionView& session = control_.page.sessions.emplace_back();
    session.id = id;
    session.user = std::move(user);
  }
  static json body_of(const Response& response) { return json::parse(response.body); }

  FakeControl control_;
  std::vector<config::AdminToken> tokens_;
};

TEST_F(ApiTest, StatusIsOneObject) {
  const json status = body_of(ask("GET", "/api/v1/status"));
  EXPECT_EQ(status["version"], "1.2.3");
  EXPECT_EQ(status["sessions"]["relay"], 7);
}

TEST_F(ApiTest, BackendsMayBeThoseOfOnePool) {
  EXPECT_EQ(body_of(ask("GET", "/api/v1/backends"))["backends"].size(), 2U);
  const json of_one = body_of(ask("GET", "/api/v1/backends", "pool=other"))["backends"];
  ASSERT_EQ(of_one.size(), 1U);
  EXPECT_EQ(of_one[0]["pool"], "other");
  EXPECT_EQ(of_one[0]["order"]["left_s"], 60);
  EXPECT_EQ(ask("GET", "/api/v1/backends", "pol=main").status, 400);
}

TEST_F(ApiTest, PoolsSayHowEvenTheyAreOrThatThereIsNothingToCompare) {
  const json pools = body_of(ask("GET", "/api/v1/pools"))["pools"];
  ASSERT_EQ(pools.size(), 2U);
  EXPECT_TRUE(pools[0]["load_spread"].is_null());
  EXPECT_EQ(pools[1]["load_spread"], 1.25);
  EXPECT_EQ(pools[1]["waiting"], 3);
  EXPECT_TRUE(pools[1]["srv"].is_null());
  const json one = body_of(ask("GET", "/api/v1/pools", "pool=main"))["pools"];
  ASSERT_EQ(one.size(), 1U);
  EXPECT_EQ(one[0]["name"], "main");
  EXPECT_EQ(ask("GET", "/api/v1/pools", "pol=main").status, 400);
}

TEST_F(ApiTest, APageOfSessionsNamesTheNextOne) {
  add_session(1, "a\xFF");
  add_session(255, "b");
  json page = body_of(ask("GET", "/api/v1/sessions", "limit=2&cursor=0000000000000000"));
  EXPECT_EQ(control_.asked.limit, 2U);
  EXPECT_EQ(control_.asked.after, 0U);
  EXPECT_EQ(page["sessions"][0]["user"], "a\uFFFD");
  EXPECT_TRUE(page["next"].is_null());
  control_.page.more = true;
  page = body_of(ask("GET", "/api/v1/sessions"));
  EXPECT_EQ(page["next"], "00000000000000ff");
}

TEST_F(ApiTest, WhoAsksForOneUser) {
  add_session(1, "alice");
  const json who = body_of(ask("GET", "/api/v1/who", "user=Alice"));
  EXPECT_EQ(who["user"], "alice");
  EXPECT_EQ(who["sessions"].size(), 1U);
  EXPECT_EQ(control_.asked.filter.user, "alice");
  EXPECT_EQ(ask("GET", "/api/v1/who").status, 400);
  EXPECT_EQ(ask("GET", "/api/v1/who", "user=a&pool=b").status, 400);
}

TEST_F(ApiTest, AnExplanationNamesTheBackendsBestFirst) {
  const Response known = ask("GET", "/api/v1/explain", "user=alice&client=192.0.2.1");
  EXPECT_EQ(known.status, 200);
  EXPECT_THAT(known.body, testing::HasSubstr(R"("candidates":["mail1:143","mail2:143"])"));
  EXPECT_THAT(known.body, testing::HasSubstr(R"("backend_user":"192.0.2.1")"));
  EXPECT_EQ(ask("GET", "/api/v1/explain", "user=bob").status, 404);
  for (const char* wrong : {"", "client=192.0.2.1", "user=alice&client=x", "user=alice&x=y"}) {
    EXPECT_EQ(ask("GET", "/api/v1/explain", wrong).status, 400) << wrong;
  }
}

TEST_F(ApiTest, AChangeReachesTheServerWithTheNameOfItsToken) {
  const Response answer =
      ask("POST", "/api/v1/backends/main/[::1]:143/drain", {}, R"({"move":true,"rate":9})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(body_of(answer)["warning"], "so so");
  EXPECT_EQ(control_.changed_backend, "[::1]:143");
  EXPECT_EQ(control_.changed_by, "alice");
  ASSERT_EQ(control_.changed.size(), 1U);
  EXPECT_EQ(control_.changed[0].what, BackendChange::What::kMove);
  EXPECT_EQ(control_.changed[0].rate, 9U);
}

TEST_F(ApiTest, WhatIsWrongChangesNothingAndSaysWhy) {
  EXPECT_EQ(ask("POST", "/api/v1/backends/nope/a:1/enable").status, 404);
  EXPECT_EQ(ask("POST", "/api/v1/backends/main/a/enable").status, 400);
  EXPECT_EQ(ask("POST", "/api/v1/backends/main/a:1/weight", {}, "{}").status, 400);
  EXPECT_EQ(ask("POST", "/api/v1/kick", {}, "{}").status, 400);
  EXPECT_EQ(ask("POST", "/api/v1/kick", {}, R"({"user":"a"})", "Bearer wrong").status, 401);
  EXPECT_TRUE(control_.changed.empty());
  EXPECT_FALSE(control_.kicked);
}

TEST_F(ApiTest, AKickSaysHowManyItEnded) {
  EXPECT_EQ(body_of(ask("POST", "/api/v1/kick", {}, R"({"user":"Alice"})"))["kicked"], 3);
  EXPECT_EQ(control_.kicked->user, "alice");
}

TEST_F(ApiTest, AReloadSaysWhatHasChangedOrWhyNothingHas) {
  EXPECT_EQ(body_of(ask("POST", "/api/v1/reload", {}, ""))["changes"],
            json::array({"pools.main.policy: user_hash -> first"}));
  control_.good_configuration = false;
  const Response refused = ask("POST", "/api/v1/reload", {}, "");
  EXPECT_EQ(refused.status, 422);
  EXPECT_EQ(body_of(refused)["error"], "headgate.yaml:1: no\nheadgate.yaml:2: no");
}

TEST_F(ApiTest, UsersArePinnedMovedAndLetGo) {
  const char* body = R"({"user":"Alice","pool":"main","backend":"mail1:143"})";
  const json pinned = body_of(ask("POST", "/api/v1/pin", {}, body));
  EXPECT_EQ(pinned["user"], "alice");
  EXPECT_EQ(pinned["by"], "alice");
  EXPECT_EQ(pinned["moved"], 0);
  EXPECT_EQ(body_of(ask("POST", "/api/v1/move", {}, body))["moved"], 2);
  EXPECT_FALSE(control_.moved.hold_s);
  const json page = body_of(ask("GET", "/api/v1/pins"));
  EXPECT_EQ(page["pins"].size(), 1U);
  EXPECT_EQ(page["next"], "main/a/b");
  EXPECT_EQ(control_.asked_pins.limit, 100U);
  const json last = body_of(ask("GET", "/api/v1/pins", "limit=7&cursor=main/a/b"));
  EXPECT_TRUE(last["next"].is_null());
  EXPECT_EQ(control_.asked_pins.limit, 7U);
  EXPECT_EQ(control_.asked_pins.pool, "main");
  EXPECT_EQ(control_.asked_pins.user, "a/b");
  for (const char* wrong : {"limit=0", "limit=1001", "cursor=main", "cursor=/a", "user=a"}) {
    EXPECT_EQ(ask("GET", "/api/v1/pins", wrong).status, 400) << wrong;
  }
  EXPECT_EQ(body_of(ask("POST", "/api/v1/unpin", {}, R"({"user":"ALICE"})"))["unpinned"], 1);
  for (const char* wrong :
       {"{}", R"({"user":"a"})", R"({"user":"a","pool":"main","backend":"x"})",
        R"({"user":"","pool":"main","backend":"x:1"})", R"({"user":7,"pool":"a","backend":"x:1"})",
        R"({"user":"a","pool":"main","backend":"x:1"})"}) {
    EXPECT_EQ(ask("POST", "/api/v1/pin", {}, wrong).status, 400) << wrong;
  }
  EXPECT_EQ(ask("POST", "/api/v1/unpin", {}, "{}").status, 400);
}

TEST_F(ApiTest, AMoveMayHoldLogins) {
  const json moved =
      body_of(ask("POST", "/api/v1/move", {},
                  R"({"user":"Alice","pool":"main","backend":"mail1:143","hold_s":90})"));
  EXPECT_EQ(moved["state"], "done");
  EXPECT_EQ(moved["from"], "b:1");
  EXPECT_EQ(control_.moved.users, std::vector<std::string>{"alice"});
  EXPECT_EQ(control_.moved.hold_s, 90);
  for (const char* wrong :
       {R"({"user":"a","pool":"main"})", R"({"user":"","pool":"main","backend":"b:1"})",
        R"({"user":"a","pool":"main","backend":"b:1","hold_s":-1})",
        R"({"user":"a","pool":"main","backend":"b:1","hold_s":86401})",
        R"({"user":"a","pool":"main","backend":"b:1","rate":1})",
        R"({"user":"a","pool":"main","to":"b:1"})"}) {
    EXPECT_EQ(ask("POST", "/api/v1/move", {}, wrong).status, 400) << wrong;
  }
}

TEST_F(ApiTest, ManyUsersAreMovedByOneOrder) {
  const json order =
      body_of(ask("POST", "/api/v1/moves", {},
                  R"({"pool":"main","from":"b:1","to":"b:2","pattern":"A*","rate":5,"hold_s":0})"));
  EXPECT_EQ(order["move"], 7);
  EXPECT_EQ(order["counts"]["waiting"], 4);
  EXPECT_EQ(order["left_s"], 12);
  EXPECT_EQ(order["left_out"], 3);
  EXPECT_EQ(control_.moved.from->to_string(), "b:1");
  EXPECT_EQ(control_.moved.pattern, "a*");
  EXPECT_EQ(control_.moved.rate, 5U);
  EXPECT_EQ(control_.moved.hold_s, 0);
  EXPECT_EQ(
      ask("POST", "/api/v1/moves", {}, R"({"pool":"main","to":"b:2","users":["A","b"]})").status,
      200);
  EXPECT_EQ(control_.moved.users, (std::vector<std::string>{"a", "b"}));
  for (const char* wrong :
       {"{}", R"({"pool":"main","to":"b:2"})", R"({"pool":"main","to":"b:2","users":[]})",
        R"({"pool":"main","to":"b:2","users":[7]})",
        R"({"pool":"main","to":"b:2","users":["a"],"from":"b:1"})",
        R"({"pool":"main","to":"b:2","users":["a"],"pattern":"*"})",
        R"({"pool":"main","to":"b:2","from":"b:2"})", R"({"pool":"main","to":"b","from":"b:1"})",
        R"({"pool":"main","to":"b:2","from":"b:1","rate":0})"}) {
    EXPECT_EQ(ask("POST", "/api/v1/moves", {}, wrong).status, 400) << wrong;
  }
}

TEST_F(ApiTest, MovesAndTheirUsersComeInPages) {
  const json moves = body_of(ask("GET", "/api/v1/moves", "limit=2"));
  EXPECT_EQ(moves["moves"].size(), 2U);
  EXPECT_EQ(moves["next"], 9);
  const json users = body_of(ask("GET", "/api/v1/moves/7", "state=held&cursor=3"));
  EXPECT_EQ(users["moved"][0]["user"], "held");
  EXPECT_EQ(users["moved"][0]["until"], 5);
  EXPECT_EQ(users["next"], 4);
  EXPECT_EQ(ask("GET", "/api/v1/moves/8").status, 404);
  EXPECT_EQ(ask("GET", "/api/v1/moves/x").status, 400);
  for (const char* wrong : {"limit=0", "limit=1001", "cursor=x", "state=held", "x=y"}) {
    EXPECT_EQ(ask("GET", "/api/v1/moves", wrong).status, 400) << wrong;
  }
}

TEST_F(ApiTest, AMoveIsToldWhatToDo) {
  for (const char* word : {"done", "undo", "stop", "continue"}) {
    EXPECT_EQ(body_of(ask("POST", std::string("/api/v1/moves/7/") + word))["users"], 4) << word;
  }
  EXPECT_EQ(control_.words, (std::vector<MoveWord>{MoveWord::kDone, MoveWord::kUndo,
                                                   MoveWord::kStop, MoveWord::kGoOn}));
  EXPECT_EQ(body_of(ask("POST", "/api/v1/move/undo", {}, R"({"user":"ALICE"})"))["move"], 7);
  EXPECT_EQ(ask("POST", "/api/v1/move/done", {}, R"({"user":"bob"})").status, 409);
  EXPECT_EQ(ask("POST", "/api/v1/move/done", {}, "{}").status, 400);
  EXPECT_EQ(ask("POST", "/api/v1/moves/7/done", {}, R"({"x":1})").status, 400);
  EXPECT_EQ(ask("POST", "/api/v1/moves/0/done").status, 400);
}

}  // namespace
}  // namespace headgate::admin
