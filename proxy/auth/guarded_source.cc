#include "auth/guarded_source.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <variant>

namespace headgate::auth {
namespace {

using Clock = std::chrono::steady_clock;
using metrics::SourceResult;

SourceResult result_of(const LookupResult& result) {
  struct Visitor {
    SourceResult operator()(const Accepted&) const { return SourceResult::kAccepted; }
    SourceResult operator()(const Rejected&) const { return SourceResult::kRejected; }
    SourceResult operator()(const Unavailable&) const { return SourceResult::kUnavailable; }
    SourceResult operator()(const UnknownHere&) const { return SourceResult::kUnknown; }
    SourceResult operator()(const AskAgain&) const { return SourceResult::kWait; }
    SourceResult operator()(const Known&) const { return SourceResult::kAccepted; }
    SourceResult operator()(const Challenge&) const { return SourceResult::kChallenged; }
  };
  return std::visit(Visitor{}, result);
}

}  // namespace

// One look-up, in asked_ or in waiting_ until it ends. The source's callback holds it weakly: an
// answer behind the deadline finds nobody.
struct GuardedSource::Question {
  Question(GuardedSource& owner, Callback callback) : guard(owner), done(std::move(callback)) {}

  static void on_deadline(void* self) noexcept {
    auto* question = static_cast<Question*>(self);
    question->guard.timed_out(*question);
  }

  GuardedSource& guard;
  Callback done;
  Clock::time_point begun = Clock::now();
  std::optional<OwnedRequest> request;  // while it waits
  std::optional<Breaker::Pass> pass;    // once it was asked
  Questions::iterator place;
  net::Timer timer{this, on_deadline};
};

GuardedSource::GuardedSource(net::TimerWheel& timers, std::unique_ptr<UserSource> source,
                             GuardOptions options, std::shared_ptr<Breaker> breaker,
                             metrics::SourceMetrics& metrics)
    : timers_(timers),
      source_(std::move(source)),
      options_(options),
      breaker_(std::move(breaker)),
      metrics_(metrics) {}

GuardedSource::~GuardedSource() {
  for (const auto& question : asked_) {
    breaker_->abandoned(*question->pass);
  }
  show(0, 0);
}

void GuardedSource::look_up(const LoginRequest& request, Callback done) {
  const bool must_wait = asked_.size() >= options_.max_parallel;
  if (must_wait && waiting_.size() >= options_.max_queue) {
    metrics_.count(SourceResult::kQueueFull);
    done(Unavailable{fmt::format("{}: {} look-ups wait already", metrics_.name, waiting_.size())});
    return;
  }
  auto question = std::make_shared<Question>(*this, std::move(done));
  if (!must_wait && !may_start(*question)) {
    return;
  }
  timers_.arm(question->timer, net::to_ms(options_.deadline));
  Questions& list = must_wait ? waiting_ : asked_;
  question->place = list.insert(list.end(), question);
  if (must_wait) {
    question->request.emplace(request);
    update_gauges();
  } else {
    start(question->place, request);
  }
}

// Asks the breaker; where it says no, that is the answer.
bool GuardedSource::may_start(Question& question) {
  question.pass = breaker_->ask(static_cast<std::int64_t>(timers_.now_ms()));
  if (question.pass != Breaker::Pass::kNo) {
    return true;
  }
  metrics_.count(SourceResult::kBreakerOpen);
  const Callback done = std::move(question.done);
  done(
      Unavailable{fmt::format("{}: not asked, since it failed too often in a row", metrics_.name)});
  return false;
}

// `place` is in asked_.
void GuardedSource::start(Questions::iterator place, const LoginRequest& request) {
  update_gauges();
  const std::shared_ptr<Question> question = *place;
  source_->look_up(request, [asked = std::weak_ptr(question)](LookupResult result) {
    if (const auto still = asked.lock(); still && still->done) {
      still->guard.answered(*still, std::move(result));
    }
  });
}

// A source that answers at once, or a breaker that opens, ends many here: hence the loop, and no
// second one inside it.
void GuardedSource::start_waiting() {
  if (std::exchange(starting_, true)) {
    return;
  }
  while (!waiting_.empty() && asked_.size() < options_.max_parallel) {
    const std::shared_ptr<Question> next = waiting_.front();
    if (!may_start(*next)) {
      next->timer.cancel();
      waiting_.erase(next->place);
      continue;
    }
    asked_.splice(asked_.end(), waiting_, next->place);
    const OwnedRequest request = *std::exchange(next->request, std::nullopt);
    start(next->place, request.view());
  }
  starting_ = false;
  update_gauges();
}

void GuardedSource::answered(Question& question, LookupResult result) {
  const Breaker::Pass pass = *question.pass;
  if (const auto* unavailable = std::get_if<Unavailable>(&result)) {
    breaker_->failed(pass, static_cast<std::int64_t>(timers_.now_ms()), random_(),
                     unavailable->why);
  } else {
    breaker_->succeeded(pass);
  }
  const Callback done = std::move(question.done);
  end(question, result_of(result));
  start_waiting();
  done(std::move(result));
}

void GuardedSource::timed_out(Question& question) {
  const std::string why =
      fmt::format("{}: no answer within {} ms{}", metrics_.name, options_.deadline.count(),
                  question.pass ? "" : ", all of them in the queue");
  if (question.pass) {
    breaker_->failed(*question.pass, static_cast<std::int64_t>(timers_.now_ms()), random_(), why);
  }
  const Callback done = std::move(question.done);
  end(question, SourceResult::kTimeout);
  start_waiting();
  done(Unavailable{why});
}

// The question is gone after this but for those who hold it.
void GuardedSource::end(Question& question, SourceResult result) {
  metrics_.count(result);
  metrics_.duration.observe(
      std::chrono::duration_cast<metrics::Microseconds>(Clock::now() - question.begun));
  question.timer.cancel();
  question.done = nullptr;
  Questions& list = question.pass ? asked_ : waiting_;
  list.erase(question.place);
  update_gauges();
}

void GuardedSource::update_gauges() {
  show(static_cast<std::int64_t>(asked_.size()), static_cast<std::int64_t>(waiting_.size()));
}

void GuardedSource::show(std::int64_t under_way, std::int64_t queued) {
  metrics_.under_way.add(under_way - std::exchange(shown_under_way_, under_way));
  metrics_.queued.add(queued - std::exchange(shown_queued_, queued));
}

}  // namespace headgate::auth
