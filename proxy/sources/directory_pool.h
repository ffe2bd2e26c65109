#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "auth/owned_request.h"
#include "sources/directory.h"
#include "sources/lookup_server.h"

namespace headgate::sources {

// Connections to one server of a user database, each with a thread of its own, for all workers:
// whatever the server does, it blocks nobody but those who ask it. (libuv's pool is for what ends
// by itself.) A look-up that takes longer than it may is interrupted, so that a server that hangs
// does not keep a thread longer than that. Notes how the server fares.
class DirectoryPool {
 public:
  using Clock = std::chrono::steady_clock;
  class Question;
  // Shared by all servers that are asked: there is one copy of a password.
  using Request = std::shared_ptr<const auth::OwnedRequest>;
  // On a thread of the pool.
  using Callback = std::function<void(auth::LookupResult)>;

  // At least one directory. `server`: its name in the log and in metrics; empty: it is no server,
  // and neither speaks of it.
  DirectoryPool(std::string server, std::vector<std::unique_ptr<Directory>> directories,
                std::size_t max_queue);
  // Look-ups under way are interrupted and waited for; those in the queue are dropped.
  ~DirectoryPool();
  DirectoryPool(const DirectoryPool&) = delete;
  DirectoryPool& operator=(const DirectoryPool&) = delete;

  // Null: the queue is full, and `done` never comes. Otherwise it comes with an answer or, soon
  // after `end`, with Unavailable. `probe`: this is to find out whether a server that failed is
  // back. `done` may be null: that is all that anybody wants to know. Any thread.
  [[nodiscard]] std::shared_ptr<Question> look_up(Request request, Clock::time_point end,
                                                  bool probe, Callback done);
  // Nobody waits for it any more: it leaves the queue, and `done` never comes; or it is under way,
  // and `done` may come. `beaten`: since another server answered first. Any thread.
  void abandon(Question& question, bool beaten);

  // Where the user would go, without a password; Unavailable when it is not known by then. Blocks.
  // Any thread but a worker's.
  auth::LookupResult explain(std::string_view user, Clock::time_point end);

  // How long until a question has waited for the server for `patience`; 0: it has. In the queue it
  // waits for the server only as long as that says nothing to anybody: one that has much to do is
  // not late. nullopt: the server has said all that it had to.
  [[nodiscard]] std::optional<std::chrono::milliseconds> patience_left(
      const Question& question, std::chrono::milliseconds patience);
  // Whether the server has been asked and has said nothing to anybody for this long.
  [[nodiscard]] bool silent_for(std::chrono::milliseconds time);

  // It is left alone for a while.
  void blame(const std::string& why, bool probe);
  [[nodiscard]] LookupServer& server() { return server_; }
  [[nodiscard]] const LookupServer& server() const { return server_; }

  // Monotonic; as LookupServer wants it.
  static std::int64_t now_ms();

 private:
  struct Seat {
    std::unique_ptr<Directory> directory;
    std::shared_ptr<Question> question;  // what is under way; guarded by mutex_
    std::thread thread;
  };

  [[nodiscard]] bool add(const std::shared_ptr<Question>& question);
  void start_threads();
  void work(Seat& seat);
  auth::LookupResult ask(Directory& directory, Question& question);
  void settle(Question& question, RequestResult result);
  void note_answer(Question& question, bool last);
  [[nodiscard]] std::optional<Clock::time_point> silent_since() const;
  void watch();

  LookupServer server_;
  const std::size_t max_queue_;

  std::mutex mutex_;  // guards what follows, but never while a directory works
  std::condition_variable jobs_;
  std::condition_variable watched_;
  std::list<std::shared_ptr<Question>> queue_;
  std::vector<Seat> seats_;
  Clock::time_point last_answer_;  // of the server, to anybody
  std::thread watcher_;
  std::optional<Clock::time_point> watched_until_;  // what the watcher waits for; not set: anything
  bool started_ = false;
  bool stopping_ = false;
};

// One question on its way, shared by its pool and by who asked.
class DirectoryPool::Question final : public Asker {
 public:
  Question(DirectoryPool& pool, Request request, Clock::time_point end, bool probe, Callback done)
      : pool_(pool),
        request_(std::move(request)),
        end_(end),
        probe_(probe),
        done_(std::move(done)),
        wanted_(done_ != nullptr) {}

  void on_server_answer(bool last) override { pool_.note_answer(*this, last); }
  [[nodiscard]] bool waits() const override {
    return wanted_.load(std::memory_order_relaxed) && Clock::now() < end_;
  }

 private:
  friend class DirectoryPool;
  enum class Stage : std::uint8_t { kQueued, kAsked, kAnswered };

  DirectoryPool& pool_;
  Request request_;
  const Clock::time_point end_;
  const bool probe_;
  bool explain_ = false;
  Callback done_;
  std::atomic<bool> wanted_;
  // Guarded by the pool's mutex:
  Stage stage_ = Stage::kQueued;
  Clock::time_point asked_at_;
  Clock::time_point waits_since_;  // for the server
  bool counted_ = false;
  std::list<std::shared_ptr<Question>>::iterator place_;  // while kQueued
};

}  // namespace headgate::sources
