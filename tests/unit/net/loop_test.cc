#include "net/loop.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "net/buffer_pool.h"
#include "net/io_watcher.h"
#include "raw_peer.h"

namespace headgate::net {
namespace {

using test::socket_pair;
using test::SocketPair;

// Counts what a watcher reports and does what the test says.
struct Watched {
  explicit Watched(Loop& loop, int fd, Urgency urgency = Urgency::kNow) {
    watcher.open(
        loop, fd, this,
        [](void* owner, unsigned ready) noexcept {
          auto* self = static_cast<Watched*>(owner);
          self->last_ready = ready;
          ++self->calls;
          if (self->action) {
            self->action();
          }
        },
        urgency);
  }
  void close() {
    watcher.close([](void* owner) noexcept { static_cast<Watched*>(owner)->closed = true; });
  }
  IoWatcher watcher;
  std::function<void()> action;
  unsigned last_ready = 0;
  int calls = 0;
  bool closed = false;
};

TEST(IoWatcher, ReportsWhatIsWantedAndNothingElse) {
  Loop loop;
  SocketPair sockets = socket_pair();
  Watched watched(loop, sockets.ours.get());
  ASSERT_EQ(::send(sockets.theirs.get(), "x", 1, 0), 1);
  watched.action = [&] { loop.stop(); };
  watched.watcher.want(kWritable);
  loop.run();
  EXPECT_EQ(watched.last_ready, kWritable);
  watched.watcher.want(kReadable);
  loop.run();
  EXPECT_EQ(watched.last_ready, kReadable);
  watched.watcher.want(kReadable | kWritable);
  loop.run();
  EXPECT_EQ(watched.last_ready, kReadable | kWritable);
  watched.close();
  loop.drain();
  EXPECT_TRUE(watched.closed);
}

TEST(IoWatcher, TheMaskOfACallbackHoldsAfterIt) {
  Loop loop;
  SocketPair sockets = socket_pair();
  Watched watched(loop, sockets.ours.get());
  watched.action = [&] {
    watched.watcher.want(kWritable);
    watched.watcher.want(watched.calls < 3 ? kWritable : 0);
  };
  watched.watcher.want(kWritable);
  loop.run();  // ends by itself: nothing is watched any more
  EXPECT_EQ(watched.calls, 3);
  watched.close();
  loop.drain();
}

TEST(IoWatcher, ClosingInTheCallbackIsSafeAndTheDescriptorMayGoAtOnce) {
  Loop loop;
  SocketPair sockets = socket_pair();
  auto watched = std::make_unique<Watched>(loop, sockets.ours.get());
  watched->action = [&] {
    watched->close();
    sockets.ours.reset();
  };
  watched->watcher.want(kWritable);
  loop.drain();
  EXPECT_EQ(watched->calls, 1);
  EXPECT_TRUE(watched->closed);
  EXPECT_FALSE(watched->watcher.is_open());
}

TEST(IoWatcher, AnEventOfTheSameTurnForAClosedWatcherIsNotDelivered) {
  Loop loop;
  SocketPair first = socket_pair();
  SocketPair second = socket_pair();
  Watched one(loop, first.ours.get());
  Watched other(loop, second.ours.get());
  one.action = [&] { other.close(), one.close(); };
  other.action = one.action;
  one.watcher.want(kWritable);
  other.watcher.want(kWritable);
  loop.drain();
  EXPECT_EQ(one.calls + other.calls, 1);
  EXPECT_TRUE(one.closed && other.closed);
}

TEST(IoWatcher, WhatCanWaitHasItsTurnAfterEverythingElseUntilItMayNotWaitAnyMore) {
  Loop loop;
  SocketPair first = socket_pair();
  SocketPair second = socket_pair();
  Watched patient(loop, first.ours.get(), Urgency::kCanWait);
  Watched urgent(loop, second.ours.get());
  std::string order;
  patient.action = [&] { order += 'p', loop.stop(); };
  urgent.action = [&] { order += 'u', loop.stop(); };
  patient.watcher.want(kWritable);
  urgent.watcher.want(kWritable);
  loop.run();
  EXPECT_EQ(order, "up");
  urgent.watcher.set_urgency(Urgency::kCanWait);
  patient.watcher.set_urgency(Urgency::kNow);
  loop.run();
  EXPECT_EQ(order, "uppu");
  EXPECT_EQ(patient.watcher.wanted(), kWritable);
  patient.close();
  urgent.close();
  loop.drain();
}

TEST(IoWatcher, ManyThatCanWaitKeepNobodyElseWaitingAndAllHaveTheirTurn) {
  constexpr int kMany = 64;
  constexpr int kMostInATurn = 8;
  Loop loop;
  std::vector<SocketPair> sockets;
  std::vector<std::unique_ptr<Watched>> patient;
  int served = 0;
  for (int i = 0; i < kMany; ++i) {
    sockets.push_back(socket_pair());
    patient.push_back(
        std::make_unique<Watched>(loop, sockets.back().ours.get(), Urgency::kCanWait));
    Watched& one = *patient.back();
    one.action = [&] { one.watcher.want(0), ++served; };
    one.watcher.want(kWritable);
  }
  SocketPair pair = socket_pair();
  Watched urgent(loop, pair.ours.get());
  int before = 0;
  int most = 0;
  urgent.action = [&] {
    most = std::max(most, served - before);
    before = served;
    urgent.watcher.want(served < kMany ? kWritable : 0);
  };
  urgent.watcher.want(kWritable);
  loop.run();
  EXPECT_EQ(served, kMany);
  EXPECT_LE(most, kMostInATurn);
  urgent.close();
  for (const auto& one : patient) {
    one->close();
  }
  loop.drain();
}

// Whose action takes longer than they have in a turn.
TEST(IoWatcher, WhoeverIsForSoonWaitsForThoseOfNowAndKeepsNobodyWaitingLong) {
  constexpr int kMany = 20;
  Loop loop;
  std::vector<SocketPair> sockets;
  std::vector<std::unique_ptr<Watched>> others;
  int served = 0;
  for (int i = 0; i < kMany; ++i) {
    sockets.push_back(socket_pair());
    const Urgency urgency = i % 2 == 0 ? Urgency::kSoon : Urgency::kCanWait;
    others.push_back(std::make_unique<Watched>(loop, sockets.back().ours.get(), urgency));
    Watched& one = *others.back();
    one.action = [&] {
      const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(500);
      while (std::chrono::steady_clock::now() < until) {
      }
      one.watcher.want(0);
      ++served;
    };
    one.watcher.want(kWritable);
  }
  SocketPair pair = socket_pair();
  Watched urgent(loop, pair.ours.get());
  std::vector<int> served_before;
  urgent.action = [&] {
    served_before.push_back(served);
    urgent.watcher.want(served < kMany ? kWritable : 0);
  };
  urgent.watcher.want(kWritable);
  loop.run();
  ASSERT_EQ(served, kMany);
  for (int turn = 0; turn <= kMany; ++turn) {
    EXPECT_EQ(served_before[static_cast<std::size_t>(turn)], turn);
  }
  urgent.close();
  for (const auto& one : others) {
    one->close();
  }
  loop.drain();
}

TEST(IoWatcher, WhoeverIsForSoonAndNeverDoneLeavesEverySecondTurnToThoseWhoCanWait) {
  constexpr int kTurns = 10;
  Loop loop;
  SocketPair first = socket_pair();
  SocketPair second = socket_pair();
  Watched greedy(loop, first.ours.get(), Urgency::kSoon);
  Watched patient(loop, second.ours.get(), Urgency::kCanWait);
  const auto work = [&] {
    const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(500);
    while (std::chrono::steady_clock::now() < until) {
    }
    if (greedy.calls + patient.calls == kTurns) {
      loop.stop();
    }
  };
  greedy.action = work;
  patient.action = work;
  greedy.watcher.want(kWritable);
  patient.watcher.want(kWritable);
  loop.run();
  EXPECT_EQ(greedy.calls, kTurns / 2);
  EXPECT_EQ(patient.calls, kTurns / 2);
  greedy.close();
  patient.close();
  loop.drain();
}

TEST(IoWatcher, FromSoonToNowNothingIsMissed) {
  Loop loop;
  SocketPair first = socket_pair();
  SocketPair second = socket_pair();
  Watched waiting(loop, first.ours.get(), Urgency::kSoon);
  Watched urgent(loop, second.ours.get());
  std::string order;
  waiting.action = [&] { order += 's', loop.stop(); };
  urgent.action = [&] { order += 'u', loop.stop(); };
  waiting.watcher.want(kWritable);
  urgent.watcher.want(kWritable);
  loop.run();
  EXPECT_EQ(order, "us");
  waiting.watcher.set_urgency(Urgency::kNow);
  urgent.watcher.set_urgency(Urgency::kSoon);
  loop.run();
  EXPECT_EQ(order, "ussu");
  waiting.watcher.set_urgency(Urgency::kCanWait);
  loop.run();
  EXPECT_EQ(order.substr(0, 5), "ussuu");
  EXPECT_EQ(waiting.watcher.wanted(), kWritable);
  waiting.close();
  urgent.close();
  loop.drain();
}

TEST(IoWatcher, ManyEndsAtOnceKeepNobodyElseWaitingAndAllAreReported) {
  constexpr int kMany = 64;
  constexpr int kMostInATurn = 4 + 8;
  Loop loop;
  std::vector<SocketPair> sockets;
  std::vector<std::unique_ptr<Watched>> ending;
  int ended = 0;
  for (int i = 0; i < kMany; ++i) {
    sockets.push_back(socket_pair());
    ending.push_back(std::make_unique<Watched>(loop, sockets.back().ours.get()));
    Watched& one = *ending.back();
    one.action = [&] { one.watcher.want(0), ++ended; };
    one.watcher.want(kReadable);
    sockets.back().theirs.reset();
  }
  SocketPair pair = socket_pair();
  Watched urgent(loop, pair.ours.get());
  int before = 0;
  int most = 0;
  urgent.action = [&] {
    most = std::max(most, ended - before);
    before = ended;
    urgent.watcher.want(ended < kMany ? kWritable : 0);
  };
  urgent.watcher.want(kWritable);
  loop.run();
  EXPECT_EQ(ended, kMany);
  EXPECT_LE(most, kMostInATurn);
  urgent.close();
  for (const auto& one : ending) {
    EXPECT_EQ(one->last_ready, kReadable | kHangup);
    one->close();
  }
  loop.drain();
}

TEST(IoWatcher, APeersEndIsReportedWhileReadingIsPaused) {
  Loop loop;
  SocketPair sockets = socket_pair();
  Watched watched(loop, sockets.ours.get());
  ASSERT_EQ(::send(sockets.theirs.get(), "x", 1, 0), 1);
  ::shutdown(sockets.theirs.get(), SHUT_WR);
  watched.action = [&] { watched.watcher.want(0); };
  watched.watcher.want(kHangup);
  loop.run();
  EXPECT_EQ(watched.last_ready, kHangup);
  EXPECT_EQ(watched.calls, 1);
  watched.close();
  loop.drain();
}

TEST(IoWatcher, AnErrorArrivesAsAllBits) {
  Loop loop;
  SocketPair sockets = test::tcp_pair();
  Watched watched(loop, sockets.ours.get());
  watched.watcher.want(kHangup);
  test::arm_reset(sockets.theirs.get());
  sockets.theirs.reset();
  watched.action = [&] { watched.close(); };
  loop.drain();
  EXPECT_EQ(watched.last_ready, kReadable | kWritable | kHangup);
  EXPECT_EQ(watched.calls, 1);
}

TEST(Wakeup, IsHeardFromAnyThread) {
  Loop loop;
  std::atomic<int> sent = 0;
  auto wakeup = std::make_unique<Wakeup>(loop, [&] {
    if (sent == 100) {
      loop.stop();
    }
  });
  std::thread sender([&] {
    for (int i = 0; i < 100; ++i) {
      ++sent;
      wakeup->notify();
    }
  });
  loop.run();
  sender.join();
  EXPECT_EQ(sent, 100);
  wakeup.reset();
  loop.drain();
}

TEST(TurnEnd, RunsAfterTheCallbacksOfEachTurn) {
  Loop loop;
  SocketPair sockets = socket_pair();
  Watched watched(loop, sockets.ours.get());
  int deferred = 0;
  int freed = 0;
  auto turn_end = std::make_unique<TurnEnd>(loop, [&] { freed += std::exchange(deferred, 0); });
  watched.action = [&] {
    EXPECT_EQ(deferred, 0);
    ++deferred;
    if (watched.calls == 4) {
      loop.stop();
    }
  };
  watched.watcher.want(kWritable);
  loop.run();
  EXPECT_EQ(freed, 3);
  turn_end.reset();
  watched.close();
  loop.drain();
}

TEST(TurnEnd, KeepsTheLoopAwakeWhileBusy) {
  Loop loop;
  int turns = 0;
  std::unique_ptr<TurnEnd> turn_end;
  turn_end = std::make_unique<TurnEnd>(loop, [&] {
    if (++turns == 10) {
      turn_end->set_busy(false);
    }
  });
  turn_end->set_busy(true);
  loop.drain();
  EXPECT_GE(turns, 10);
  turn_end.reset();
  loop.drain();
}

TEST(TurnEnd, SeveralOfALoopAreCalledAndGoInEitherOrder) {
  for (const bool older_first : {true, false}) {
    Loop loop;
    int older = 0;
    int newer = 0;
    const auto count = [&loop](int& calls) { return [&] { ++calls, loop.stop(); }; };
    auto one = std::make_unique<TurnEnd>(loop, count(older));
    auto other = std::make_unique<TurnEnd>(loop, count(newer));
    one->set_busy(true);
    other->set_busy(true);
    loop.run();
    EXPECT_EQ(older, 1);
    EXPECT_EQ(newer, 1);
    (older_first ? one : other).reset();
    loop.run();
    EXPECT_EQ(older_first ? older : newer, 1);
    EXPECT_GT(older_first ? newer : older, 1);
    one.reset();
    other.reset();
  }
}

TEST(TurnEnd, OneThatGoesInItsOwnCallOrInAnothersIsCalledNoMore) {
  for (const bool own : {true, false}) {
    Loop loop;
    std::array<int, 3> calls{};
    std::array<std::unique_ptr<TurnEnd>, 3> ends;
    // Called in the order 2, 1, 0.
    ends[0] = std::make_unique<TurnEnd>(loop, [&] { ++calls[0]; });
    ends[1] = std::make_unique<TurnEnd>(loop, [&] {
      ++calls[1];
      ends[own ? 1 : 0].reset();
    });
    ends[2] = std::make_unique<TurnEnd>(loop, [&] {
      if (++calls[2] == 3) {
        ends[2]->set_busy(false);
      }
    });
    ends[2]->set_busy(true);
    loop.drain();
    EXPECT_GE(calls[2], 3);
    EXPECT_EQ(own ? calls[1] : calls[0], own ? 1 : 0);
    EXPECT_EQ(own ? calls[0] : calls[1], calls[2]);
    ends = {};
  }
}

TEST(RunBlocking, DoneComesOnTheLoopsThreadAfterTheWork) {
  Loop loop;
  const auto here = std::this_thread::get_id();
  std::thread::id worked;
  std::thread::id done;
  run_blocking(
      loop, [&] { worked = std::this_thread::get_id(); },
      [&] { done = std::this_thread::get_id(); });
  loop.drain();
  EXPECT_NE(worked, std::thread::id());
  EXPECT_NE(worked, here);
  EXPECT_EQ(done, here);
}

TEST(BufferPool, HandsOutTheLastReturnedFirst) {
  BufferPool pool(1000, 4);
  auto one = pool.take();
  auto two = pool.take();
  EXPECT_EQ(pool.in_use(), 2U);
  char* const last = one.get();
  two.reset();
  one.reset();
  EXPECT_EQ(pool.in_use(), 0U);
  EXPECT_EQ(pool.free(), 2U);
  EXPECT_EQ(pool.take().get(), last);
}

TEST(BufferPool, KeepsNoMoreThanItWasTold) {
  BufferPool pool(1000, 2);
  {
    std::vector<BufferPool::Buffer> taken;
    for (int i = 0; i < 5; ++i) {
      taken.push_back(pool.take());
      taken.back()[999] = 'x';
    }
    EXPECT_EQ(pool.in_use(), 5U);
  }
  EXPECT_EQ(pool.in_use(), 0U);
  EXPECT_EQ(pool.free(), 2U);
}

}  // namespace
}  // namespace headgate::net
