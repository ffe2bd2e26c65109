#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace headgate::admin {

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
