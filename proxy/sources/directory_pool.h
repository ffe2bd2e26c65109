#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "auth/owned_request.h"
#include "sources/directory.h"

namespace headgate::sources {

// Connections to one user database, each with a thread of its own, for all workers: whatever the
// database does, it blocks nobody but those who ask it. (libuv's pool is for what ends by itself.)
// A look-up that takes longer than the deadline is interrupted, so that a server that hangs does
// not keep a thread longer than that.
class DirectoryPool {
 public:
  // On a thread of the pool.
  using Callback = std::function<void(auth::LookupResult)>;

  // At least one directory. `name`: of the source, for the log.
  DirectoryPool(std::string name, std::vector<std::unique_ptr<Directory>> directories,
                std::size_t max_queue, std::chrono::milliseconds deadline);
  // Look-ups under way are interrupted and waited for; those in the queue are dropped.
  ~DirectoryPool();
  DirectoryPool(const DirectoryPool&) = delete;
  DirectoryPool& operator=(const DirectoryPool&) = delete;

  // False: the queue is full, and `done` never comes. Any thread.
  [[nodiscard]] bool look_up(const auth::LoginRequest& request, Callback done);
  // Where the user would go, without a password. Blocks until a connection is free and has
  // answered. Any thread but a worker's.
  auth::LookupResult explain(std::string_view user);

 private:
  using Clock = std::chrono::steady_clock;
  struct Job {
    auth::OwnedRequest request;
    Callback done;
    Clock::time_point end;
    bool explain = false;
  };
  struct Seat {
    std::unique_ptr<Directory> directory;
    std::optional<Clock::time_point> end;  // of what is under way; guarded by mutex_
    std::thread thread;
  };

  [[nodiscard]] bool add(Job job);
  void start_threads();
  void work(Seat& seat);
  void watch();

  const std::string name_;
  const std::size_t max_queue_;
  const std::chrono::milliseconds deadline_;

  std::mutex mutex_;  // guards what follows, but never while a directory works
  std::condition_variable jobs_;
  std::condition_variable watched_;
  std::deque<Job> queue_;
  std::vector<Seat> seats_;
  std::thread watcher_;
  bool watcher_has_no_end_ = false;  // it waits for the first thing to watch
  bool started_ = false;
  bool stopping_ = false;
};

}  // namespace headgate::sources
