#include "sources/directory_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <memory>
#include <utility>

namespace headgate::sources {

DirectoryPool::DirectoryPool(std::string name, std::vector<std::unique_ptr<Directory>> directories,
                             std::size_t max_queue, std::chrono::milliseconds deadline)
    : name_(std::move(name)), max_queue_(max_queue), deadline_(deadline) {
  for (auto& directory : directories) {
    seats_.emplace_back().directory = std::move(directory);
  }
}

DirectoryPool::~DirectoryPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    queue_.clear();
    jobs_.notify_all();
    watched_.notify_all();
  }
  for (Seat& seat : seats_) {
    seat.directory->interrupt();
  }
  for (Seat& seat : seats_) {
    if (seat.thread.joinable()) {
      seat.thread.join();
    }
  }
  if (watcher_.joinable()) {
    watcher_.join();
  }
}

bool DirectoryPool::look_up(const auth::LoginRequest& request, Callback done) {
  return add({auth::OwnedRequest(request), std::move(done), Clock::now() + deadline_});
}

bool DirectoryPool::add(Job job) {
  const std::lock_guard lock(mutex_);
  if (stopping_ || queue_.size() >= max_queue_) {
    return false;
  }
  start_threads();
  queue_.push_back(std::move(job));
  jobs_.notify_one();
  return true;
}

auth::LookupResult DirectoryPool::explain(std::string_view user) {
  const dialogue::Credentials who{"", std::string(user), {}};
  auto promise = std::make_shared<std::promise<auth::LookupResult>>();
  auto answer = promise->get_future();
  if (!add({auth::OwnedRequest({.credentials = who,
                                .client = {},
                                .connected = {},
                                .listener = {},
                                .session_id = {}}),
            [promise = std::move(promise)](auth::LookupResult result) {
              promise->set_value(std::move(result));
            },
            Clock::now() + deadline_, true})) {
    return auth::Unavailable{"too many look-ups wait for a connection"};
  }
  try {
    return answer.get();
  } catch (const std::future_error&) {  // the queue was dropped
    return auth::Unavailable{"Headgate is stopping"};
  }
}

// With the first question: a pool made to check a configuration needs none.
void DirectoryPool::start_threads() {
  if (std::exchange(started_, true)) {
    return;
  }
  for (Seat& seat : seats_) {
    seat.thread = std::thread([this, &seat] { work(seat); });
  }
  watcher_ = std::thread([this] { watch(); });
}

void DirectoryPool::work(Seat& seat) {
  std::unique_lock lock(mutex_);
  for (;;) {
    jobs_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) {
      return;
    }
    Job job = std::move(queue_.front());
    queue_.pop_front();
    // Its asker has given up: one question less for a database that is slow already.
    const bool late = Clock::now() >= job.end;
    seat.end = job.end;  // later than all the others
    if (std::exchange(watcher_has_no_end_, false)) {
      watched_.notify_one();
    }
    lock.unlock();
    auth::LookupResult result =
        late ? auth::LookupResult(
                   auth::Unavailable{fmt::format("{}: no connection was free in time", name_)})
        : job.explain ? seat.directory->explain(job.request.view().credentials.user)
                      : seat.directory->look_up(job.request.view());
    job.done(std::move(result));
    lock.lock();
    seat.end.reset();
  }
}

// Interrupts what has taken too long, again and again until it ends: the first time may hit
// between two of its steps.
void DirectoryPool::watch() {
  constexpr std::chrono::milliseconds kAgain{100};
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const Clock::time_point now = Clock::now();
    std::optional<Clock::time_point> next;
    for (Seat& seat : seats_) {
      if (seat.end && *seat.end <= now) {
        seat.directory->interrupt();
        next = now + kAgain;
      } else if (seat.end) {
        next = std::min(next.value_or(*seat.end), *seat.end);
      }
    }
    if (next) {
      watched_.wait_until(lock, *next);
    } else {
      watcher_has_no_end_ = true;
      watched_.wait(lock);
    }
  }
  // What hangs beyond the end of the process would keep it from ending.
  while (std::ranges::any_of(seats_, [](const Seat& seat) { return seat.end.has_value(); })) {
    for (Seat& seat : seats_) {
      seat.directory->interrupt();
    }
    watched_.wait_for(lock, kAgain);
  }
}

}  // namespace headgate::sources
