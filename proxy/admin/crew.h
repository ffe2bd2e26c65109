#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace headgate::admin {

// The calling thread no longer interrupts a worker that has its processor, but waits until that has
// nothing to do or has had its time. Where it did, each page of a list of sessions stopped a worker
// on the same processor for 3 ms in the middle of a turn (`scripts/bench growth`: 125 turns above
// 1 ms in 4 s at 9,000 sessions, 1 with this).
void give_way_to_workers();

// Threads that do one piece of work after the other, in the order in which it was given.
class Crew {
 public:
  explicit Crew(unsigned threads);  // at least one
  ~Crew();                          // waits until all that was given is done
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  void give(std::function<void()> work);  // on any thread

 private:
  void serve();

  std::mutex mutex_;
  std::condition_variable news_;
  std::deque<std::function<void()>> waiting_;  // guarded by mutex_, as is
  bool ending_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace headgate::admin
