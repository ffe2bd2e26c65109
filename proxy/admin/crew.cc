#include "admin/crew.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <utility>

#include "base/thread_name.h"

namespace headgate::admin {

// A thread like any other, which never takes the processor from one that has it (sched(7)). That it
// may fail where a sandbox forbids it changes nothing but that.
void give_way_to_workers() {
  const sched_param none{};
  ::pthread_setschedparam(::pthread_self(), SCHED_BATCH, &none);
}

Crew::Crew(unsigned threads) {
  for (unsigned i = 0; i < std::max(threads, 1U); ++i) {
    threads_.emplace_back([this] { serve(); });
  }
}

Crew::~Crew() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  news_.notify_all();
  threads_.clear();  // joins
}

void Crew::give(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(work));
  }
  news_.notify_one();
}

void Crew::serve() {
  name_this_thread("admin crew");
  give_way_to_workers();
  for (;;) {
    std::function<void()> work;
    {
      std::unique_lock lock(mutex_);
      news_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
      if (waiting_.empty()) {
        return;
      }
      work = std::move(waiting_.front());
      waiting_.pop_front();
    }
    work();
  }
}

}  // namespace headgate::admin
