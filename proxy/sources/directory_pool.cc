#include "sources/directory_pool.h"

#include <algorithm>
#include <future>
#include <utility>

#include "base/log.h"
#include "base/thread_name.h"

namespace headgate::sources {
namespace {

using std::chrono::milliseconds;

RequestResult result_of(const auth::LookupResult& result) {
  if (const auto* rejected = std::get_if<auth::Rejected>(&result)) {
    return rejected->failure == dialogue::LoginFailure::kLookupUnavailable
               ? RequestResult::kInvalid
               : RequestResult::kRefused;
  }
  return std::holds_alternative<auth::UnknownHere>(result)   ? RequestResult::kRefused
         : std::holds_alternative<auth::Unavailable>(result) ? RequestResult::kFailed
                                                             : RequestResult::kAccepted;
}

}  // namespace

DirectoryPool::DirectoryPool(std::string server,
                             std::vector<std::unique_ptr<Directory>> directories,
                             std::size_t max_queue)
    : server_(std::move(server)), max_queue_(max_queue) {
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

std::int64_t DirectoryPool::now_ms() {
  return std::chrono::duration_cast<milliseconds>(Clock::now().time_since_epoch()).count();
}

std::shared_ptr<DirectoryPool::Question> DirectoryPool::look_up(Request request,
                                                                Clock::time_point end, bool probe,
                                                                Callback done) {
  auto question =
      std::make_shared<Question>(*this, std::move(request), end, probe, std::move(done));
  return add(question) ? question : nullptr;
}

bool DirectoryPool::add(const std::shared_ptr<Question>& question) {
  const std::lock_guard lock(mutex_);
  if (stopping_ || queue_.size() >= max_queue_) {
    return false;
  }
  start_threads();
  question->place_ = queue_.insert(queue_.end(), question);
  jobs_.notify_one();
  return true;
}

void DirectoryPool::abandon(Question& question, bool beaten) {
  std::shared_ptr<Question> gone;  // outlives the lock: with it may go what its callback holds
  const std::lock_guard lock(mutex_);
  question.wanted_ = false;
  if (!std::exchange(question.counted_, true) && beaten) {
    server_.count(RequestResult::kAbandoned);
  }
  if (question.stage_ == Question::Stage::kQueued && !stopping_) {
    gone = std::move(*question.place_);
    queue_.erase(question.place_);
    question.stage_ = Question::Stage::kAnswered;
  }
}

auth::LookupResult DirectoryPool::explain(std::string_view user, Clock::time_point end) {
  const dialogue::Credentials who{"", std::string(user), {}};
  auto promise = std::make_shared<std::promise<auth::LookupResult>>();
  auto answer = promise->get_future();
  auto question = std::make_shared<Question>(
      *this,
      std::make_shared<const auth::OwnedRequest>(auth::LoginRequest{
          .credentials = who, .client = {}, .connected = {}, .listener = {}, .session_id = {}}),
      end, false, [promise = std::move(promise)](auth::LookupResult result) {
        promise->set_value(std::move(result));
      });
  question->explain_ = true;
  if (!add(question)) {
    return auth::Unavailable{"too many look-ups wait for a connection"};
  }
  if (answer.wait_until(end) != std::future_status::ready) {
    abandon(*question, false);
    return auth::Unavailable{"no answer in time"};
  }
  return answer.get();
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
  name_this_thread("look-up");
  std::unique_lock lock(mutex_);
  for (;;) {
    jobs_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) {
      return;
    }
    const std::shared_ptr<Question> question = std::move(queue_.front());
    queue_.pop_front();
    question->stage_ = Question::Stage::kAsked;
    question->asked_at_ = question->waits_since_ = Clock::now();
    seat.question = question;
    if (!watched_until_ || question->end_ < *watched_until_) {
      watched_.notify_one();
    }
    lock.unlock();
    auth::LookupResult result = ask(*seat.directory, *question);
    if (question->done_) {
      question->done_(std::move(result));
      question->done_ = nullptr;
    }
    question->request_.reset();
    lock.lock();
    seat.question.reset();
  }
}

auth::LookupResult DirectoryPool::ask(Directory& directory, Question& question) {
  // Its asker has given up: one question less for a database that is slow already.
  const bool for_nothing = !question.probe_ && !question.wanted_;
  if (for_nothing || Clock::now() >= question.end_) {
    settle(question, RequestResult::kTimeout);
    return auth::Unavailable{"no connection was free in time"};
  }
  const auth::LoginRequest request = question.request_->view();
  auth::LookupResult result = question.explain_
                                  ? directory.explain(request.credentials.user, question)
                                  : directory.look_up(request, question);
  const auto* failed = std::get_if<auth::Unavailable>(&result);
  if (failed == nullptr) {
    note_answer(question, true);
  } else {
    blame(failed->why, question.probe_);
  }
  // A directory that knows that nobody waits may say anything.
  const bool means_it = failed != nullptr || question.waits();
  settle(question, Clock::now() >= question.end_ ? RequestResult::kTimeout
                   : means_it                    ? result_of(result)
                                                 : RequestResult::kAbandoned);
  if (!means_it) {
    return auth::Unavailable{"no answer in time"};
  }
  return result;
}

// Counts each look-up once.
void DirectoryPool::settle(Question& question, RequestResult result) {
  {
    const std::lock_guard lock(mutex_);
    if (question.explain_ || std::exchange(question.counted_, true)) {
      return;
    }
  }
  server_.count(result);
}

void DirectoryPool::note_answer(Question& question, bool last) {
  const Clock::time_point now = Clock::now();
  bool all = false;
  {
    const std::lock_guard lock(mutex_);
    last_answer_ = question.waits_since_ = now;
    all = last &&
          std::exchange(question.stage_, Question::Stage::kAnswered) == Question::Stage::kAsked;
  }
  if (all && !question.explain_) {
    server_.duration.observe(
        std::chrono::duration_cast<std::chrono::microseconds>(now - question.asked_at_));
  }
  if (server_.note_success() && !server_.name().empty()) {
    log::info("lookup server answers again", {{"server", server_.name()}});
  }
}

void DirectoryPool::blame(const std::string& why, bool probe) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      return;  // it was interrupted
    }
  }
  const auto level =
      server_.note_failure(now_ms(), probe) ? log::Level::kWarning : log::Level::kDebug;
  if (!server_.name().empty() && log::enabled(level)) {
    log::write(level, "lookup server failed", {{"server", server_.name()}, {"error", why}});
  }
}

// mutex_ is held. nullopt: nothing is being asked.
std::optional<DirectoryPool::Clock::time_point> DirectoryPool::silent_since() const {
  std::optional<Clock::time_point> since;
  for (const Seat& seat : seats_) {
    if (seat.question && seat.question->stage_ == Question::Stage::kAsked) {
      const Clock::time_point asked = seat.question->waits_since_;
      since = std::min(since.value_or(asked), asked);
    }
  }
  return since ? std::optional(std::max(*since, last_answer_)) : std::nullopt;
}

std::optional<milliseconds> DirectoryPool::patience_left(const Question& question,
                                                         milliseconds patience) {
  const std::lock_guard lock(mutex_);
  const Clock::time_point now = Clock::now();
  Clock::time_point since;
  switch (question.stage_) {
    case Question::Stage::kQueued:
      since = silent_since().value_or(now);
      break;
    case Question::Stage::kAsked:
      since = question.waits_since_;
      break;
    case Question::Stage::kAnswered:
      return std::nullopt;
  }
  return std::max(std::chrono::ceil<milliseconds>(since + patience - now), milliseconds(0));
}

bool DirectoryPool::silent_for(milliseconds time) {
  const std::lock_guard lock(mutex_);
  const auto since = silent_since();
  return since && Clock::now() - *since >= time;
}

// Interrupts what has taken too long, again and again until it ends: the first time may hit
// between two of its steps.
void DirectoryPool::watch() {
  name_this_thread("look-up watch");
  constexpr milliseconds kAgain{100};
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const Clock::time_point now = Clock::now();
    std::optional<Clock::time_point> next;
    for (Seat& seat : seats_) {
      if (seat.question && seat.question->end_ <= now) {
        seat.directory->interrupt();
        next = std::min(next.value_or(now + kAgain), now + kAgain);
      } else if (seat.question) {
        next = std::min(next.value_or(seat.question->end_), seat.question->end_);
      }
    }
    watched_until_ = next;
    if (next) {
      watched_.wait_until(lock, *next);
    } else {
      watched_.wait(lock);
    }
  }
  // What hangs beyond the end of the process would keep it from ending.
  while (std::ranges::any_of(seats_, [](const Seat& seat) { return seat.question != nullptr; })) {
    for (Seat& seat : seats_) {
      seat.directory->interrupt();
    }
    watched_.wait_for(lock, kAgain);
  }
}

}  // namespace headgate::sources
