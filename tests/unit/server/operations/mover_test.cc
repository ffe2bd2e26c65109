#include "server/operations/mover.h"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/operations/orders.h"

namespace headgate::server {
namespace {

using namespace std::chrono_literals;
using What = Mover::What;

constexpr auto kPatience = 20'000ms;
const UserPin kBefore{.backend = "three:143", .since = 4, .by = "bob"};

config::Config make_config() {
  auto config = config::load_text("t.yaml",
                                  "listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
                                  "pools:\n"
                                  "  main: {backends: [{address: \"one:143\"}]}\n"
                                  "users: [{source: backend, pool: main}]\n",
                                  config::Files::kIgnore);
  EXPECT_TRUE(config.has_value());
  return config ? std::move(*config) : config::Config();
}

// A mover between workers that end sessions when the test says so, and pins that are a map.
class Moving {
 public:
  explicit Moving(MoveLog log = {}) { mover_.emplace(surroundings(), std::move(log)); }

  Mover& mover() { return *mover_; }
  std::map<std::string, UserPin> pins() {
    const std::lock_guard lock(mutex_);
    return pins_;
  }
  void pin(const std::string& user, UserPin pin) {
    const std::lock_guard lock(mutex_);
    pins_.insert_or_assign(user, std::move(pin));
  }
  // From here on workers take their time.
  void hold_workers(bool hold) {
    const std::lock_guard lock(mutex_);
    hold_workers_ = hold;
    if (!hold) {
      ending_.clear();
    }
  }
  void wait_until_ending() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(news_.wait_for(lock, kPatience, [&] { return !ending_.empty(); }));
  }
  // Called once, with the pins changed and before anybody is told.
  std::function<void()> on_pinned;
  // What a state file would have held when pins were changed for the first time.
  std::string first_state;

  std::uint64_t move(const std::string& user) {
    return mover_->add({.pool = "main", .to = "two:143", .by = "alice", .moves = {{.user = user}}})
        .value();
  }
  MoveState state_of(std::uint64_t order) {
    return mover_->find(order).value().moves.front().state;
  }

 private:
  Mover::Surroundings surroundings() {
    return {
        .snapshot = [snapshot = std::make_shared<const Snapshot>(
                         make_config(), std::make_shared<SessionCounts>(1))] { return snapshot; },
        .pin_of = [this](const std::string&, const std::string& user) -> std::optional<UserPin> {
          const auto all = pins();
          const auto pin = all.find(user);
          return pin == all.end() ? std::nullopt : std::optional(pin->second);
        },
        .change_pins = [this](std::vector<PinChange>& changes,
                              const std::function<void()>& note) { change(changes, note); },
        .save = [] {},
        .end_user =
            [this](const std::shared_ptr<UserEnd>& order) {
              const std::lock_guard lock(mutex_);
              if (hold_workers_) {
                ending_.push_back(order);
              }
              news_.notify_all();
            },
        .release_user = [](std::uint64_t) {}};
  }

  void change(std::vector<PinChange>& changes, const std::function<void()>& note) {
    {
      const std::lock_guard lock(mutex_);
      for (PinChange& change : changes) {
        const auto pin = pins_.find(change.user);
        change.before = pin == pins_.end() ? std::nullopt : std::optional(pin->second);
        pins_.erase(change.user);
        if (change.pin) {
          pins_.insert_or_assign(change.user, *change.pin);
        }
      }
    }
    note();
    if (first_state.empty()) {
      mover_->look([&](const MoveLog& log) { first_state = Orders().to_json(log); });
    }
    if (on_pinned) {
      std::exchange(on_pinned, nullptr)();
    }
  }

  std::mutex mutex_;
  std::condition_variable news_;
  std::map<std::string, UserPin> pins_;
  std::vector<std::shared_ptr<UserEnd>> ending_;
  bool hold_workers_ = false;
  std::optional<Mover> mover_;  // the last: its thread uses all of the above
};

TEST(Mover, an_undo_while_sessions_end_brings_the_pin_back) {
  Moving moving;
  moving.pin("u", kBefore);
  moving.hold_workers(true);
  moving.mover().begin();
  const auto order = moving.move("u");
  moving.wait_until_ending();
  EXPECT_EQ(moving.pins().at("u").backend, "two:143");
  ASSERT_TRUE(moving.mover().tell(order, What::kUndo).has_value());
  moving.hold_workers(false);
  moving.mover().wait_until_over(order, kPatience);
  EXPECT_EQ(moving.state_of(order), MoveState::kUndone);
  EXPECT_EQ(moving.pins().at("u").backend, "three:143");
  EXPECT_EQ(moving.pins().at("u").by, "bob");
}

TEST(Mover, an_undo_of_one_who_had_no_pin_leaves_none) {
  Moving moving;
  moving.hold_workers(true);
  moving.mover().begin();
  const auto order = moving.move("u");
  moving.wait_until_ending();
  ASSERT_TRUE(moving.mover().tell("u", What::kUndo).has_value());
  moving.hold_workers(false);
  moving.mover().wait_until_over(order, kPatience);
  EXPECT_EQ(moving.state_of(order), MoveState::kUndone);
  EXPECT_TRUE(moving.pins().empty());
}

TEST(Mover, an_undo_that_is_heard_when_the_move_is_over_brings_the_pin_back) {
  Moving moving;
  moving.pin("u", kBefore);
  // The order is under way for whoever asks now, and over with the same turn of the mover.
  moving.on_pinned = [&] { EXPECT_TRUE(moving.mover().tell("u", What::kUndo).has_value()); };
  moving.mover().begin();
  const auto order = moving.move("u");
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (moving.state_of(order) != MoveState::kUndone && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(moving.state_of(order), MoveState::kUndone);
  EXPECT_EQ(moving.pins().at("u").backend, "three:143");
}

TEST(Mover, a_restart_between_pin_and_end_does_not_forget_what_was_before) {
  std::string state;
  std::map<std::string, UserPin> pins;
  {
    Moving moving;
    moving.pin("u", kBefore);
    moving.hold_workers(true);
    moving.mover().begin();
    moving.move("u");
    moving.wait_until_ending();
    state = moving.first_state;
    pins = moving.pins();
  }
  for (const bool begun : {true, false}) {
    Moving again(MoveLog::from_json(state).value());
    again.pin("u", pins.at("u"));
    if (begun) {
      again.mover().begin();
      again.mover().wait_until_over(1, kPatience);
      EXPECT_EQ(again.state_of(1), MoveState::kDone);
    }
    ASSERT_TRUE(again.mover().tell("u", What::kUndo).has_value());
    if (!begun) {
      again.mover().begin();
    }
    again.mover().wait_until_over(1, kPatience);
    EXPECT_EQ(again.state_of(1), MoveState::kUndone);
    EXPECT_EQ(again.pins().at("u").backend, "three:143");
  }
}

}  // namespace
}  // namespace headgate::server
