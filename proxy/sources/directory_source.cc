#include "sources/directory_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

namespace headgate::sources {

using dialogue::LoginFailure;
using std::chrono::milliseconds;

namespace {

// Whether the server answers but makes no sense of this user: another one may.
bool is_no_use(const auth::LookupResult& result) {
  const auto* rejected = std::get_if<auth::Rejected>(&result);
  return rejected != nullptr && rejected->failure == LoginFailure::kLookupUnavailable;
}

}  // namespace

// One question, and the servers that are asked it until one of them has answered. Owned by its
// source.
class DirectorySource::LookUp {
 public:
  LookUp(DirectorySource& source, std::uint64_t id, const auth::LoginRequest& request,
         Callback done)
      : source_(source),
        id_(id),
        request_(std::make_shared<const auth::OwnedRequest>(request)),
        done_(std::move(done)),
        end_(Clock::now() + source.directories_->deadline) {}
  ~LookUp() { abandon(false); }
  LookUp(const LookUp&) = delete;
  LookUp& operator=(const LookUp&) = delete;

  // Both may destroy this object, and so may whatever calls ask_next() or conclude().
  void start();
  void on_answer(std::size_t at, auth::LookupResult result);

 private:
  using Clock = DirectoryPool::Clock;
  struct Candidate {
    DirectoryPool* server;
    bool probe = false;
  };
  struct Attempt {
    DirectoryPool* server;
    std::shared_ptr<DirectoryPool::Question> question;  // null: it is over
    bool late = false;                                  // another server was asked because of it
  };

  void choose();
  void send_probes();
  void ask_next();
  void arm();
  void arm_until(Clock::time_point time);
  static void on_time(void* self) noexcept;
  void look_at_the_time();
  void ask_another(bool hedge);
  // An attempt; `in_time`: one that is not late.
  [[nodiscard]] bool is_running(bool in_time) const;
  void abandon(bool beaten);
  void blame_the_late();
  void conclude(auth::LookupResult result);

  DirectorySource& source_;
  const std::uint64_t id_;
  DirectoryPool::Request request_;  // until the last server is asked
  Callback done_;
  const Clock::time_point end_;
  std::vector<Candidate> candidates_;  // still to be asked, the next one last
  std::vector<Candidate> probes_;
  std::vector<Attempt> attempts_;
  Clock::time_point share_ends_;  // of the server that was asked last
  bool hedged_ = false;
  std::optional<auth::LookupResult> no_use_;  // what a server said that makes no sense of the user
  std::string why_;                           // the last server did not answer
  net::Timer timer_{this, &LookUp::on_time};
};

// Those that work in their order, then those that rest: better asked than nobody.
void DirectorySource::LookUp::choose() {
  const Directories& all = *source_.directories_;
  std::vector<Candidate> usable;
  std::vector<Candidate> resting;
  for (const auto& server : all.servers) {
    switch (server->server().turn(DirectoryPool::now_ms(), all.deadline)) {
      case LookupServer::Turn::kUsable:
        usable.push_back({server.get()});
        break;
      case LookupServer::Turn::kResting:
        resting.push_back({server.get()});
        break;
      case LookupServer::Turn::kProbe:
        probes_.push_back({server.get(), true});
        break;
    }
  }
  if (usable.empty()) {
    usable = std::exchange(probes_, {});
  }
  std::ranges::move(resting, std::back_inserter(usable));
  std::ranges::reverse_copy(usable, std::back_inserter(candidates_));
}

void DirectorySource::LookUp::start() {
  choose();
  send_probes();
  ask_next();
}

// What they find out is not for this login: the server itself notes it.
void DirectorySource::LookUp::send_probes() {
  for (const Candidate& probe : std::exchange(probes_, {})) {
    // A queue that is full leaves the next turn to somebody else.
    std::ignore = probe.server->look_up(request_, end_, true, nullptr);
  }
}

void DirectorySource::LookUp::ask_next() {
  while (!candidates_.empty()) {
    const Candidate next = candidates_.back();
    candidates_.pop_back();
    auto question = next.server->look_up(
        request_, end_, next.probe,
        [inbox = source_.inbox_, id = id_, at = attempts_.size()](auth::LookupResult result) {
          inbox->put({id, at, std::move(result)});
        });
    if (question) {
      attempts_.push_back({next.server, std::move(question)});
      arm();
      return;
    }
    why_ = "too many look-ups wait for a connection";
  }
  if (!is_running(false)) {
    conclude(no_use_ ? *std::move(no_use_) : auth::Unavailable{why_});
  }
}

// A server that hangs must leave time for all of the others.
void DirectorySource::LookUp::arm() {
  timer_.cancel();
  if (candidates_.empty()) {
    request_.reset();
    return;
  }
  const Clock::time_point now = Clock::now();
  share_ends_ = now + (end_ - now) / static_cast<int>(candidates_.size() + 1);
  const milliseconds hedge_after = source_.directories_->hedge_after;
  arm_until(hedge_after.count() > 0 && !hedged_ ? now + hedge_after : share_ends_);
}

void DirectorySource::LookUp::arm_until(Clock::time_point time) {
  const Clock::duration left = std::min(time, share_ends_) - Clock::now();
  const auto ms = std::chrono::ceil<milliseconds>(left);
  source_.timers_.arm(timer_, net::to_ms(std::max(ms, milliseconds(1))));
}

void DirectorySource::LookUp::on_time(void* self) noexcept {
  static_cast<LookUp*>(self)->look_at_the_time();
}

void DirectorySource::LookUp::look_at_the_time() {
  const Attempt& last = attempts_.back();
  if (candidates_.empty() || !last.question) {
    return;
  }
  const milliseconds hedge_after = source_.directories_->hedge_after;
  const auto left = last.server->patience_left(*last.question, hedge_after);
  if (!left) {
    return;  // it has answered: no other server would be quicker from here
  }
  if (Clock::now() >= share_ends_) {
    ask_another(false);
  } else if (hedged_ || hedge_after.count() == 0 || !candidates_.back().server->server().is_up()) {
    arm_until(share_ends_);
  } else if (left->count() > 0) {
    arm_until(Clock::now() + *left);
  } else {
    ask_another(true);
  }
}

// One hedge a login: each is a question more for servers that may be slow because of their number.
void DirectorySource::LookUp::ask_another(bool hedge) {
  for (Attempt& attempt : attempts_) {
    attempt.late = true;
  }
  if (hedge) {
    hedged_ = true;
    candidates_.back().server->server().count_hedge();
  }
  ask_next();
}

void DirectorySource::LookUp::on_answer(std::size_t at, auth::LookupResult result) {
  Attempt& attempt = attempts_[at];
  attempt.question.reset();
  if (const auto* failed = std::get_if<auth::Unavailable>(&result)) {
    const std::string& server = attempt.server->server().name();
    why_ = server.empty() ? failed->why : fmt::format("{}: {}", server, failed->why);
    if (Clock::now() >= end_) {
      candidates_.clear();
    }
    if (!is_running(true)) {
      ask_next();
    }
  } else if (is_no_use(result) && is_running(false)) {
    no_use_ = std::move(result);
  } else {
    conclude(std::move(result));
  }
}

bool DirectorySource::LookUp::is_running(bool in_time) const {
  return std::ranges::any_of(attempts_, [&](const Attempt& attempt) {
    return attempt.question != nullptr && !(in_time && attempt.late);
  });
}

// The callback may ask this source again.
void DirectorySource::LookUp::conclude(auth::LookupResult result) {
  blame_the_late();
  abandon(true);
  timer_.cancel();
  const auto self = source_.look_ups_.extract(id_);
  const Callback done = std::move(done_);
  done(std::move(result));
}

void DirectorySource::LookUp::abandon(bool beaten) {
  for (Attempt& attempt : attempts_) {
    if (const auto question = std::exchange(attempt.question, nullptr)) {
      attempt.server->abandon(*question, beaten);
    }
  }
}

// A server that has answered others meanwhile is slow with this login alone.
void DirectorySource::LookUp::blame_the_late() {
  const milliseconds patience = source_.directories_->patience();
  for (const Attempt& attempt : attempts_) {
    if (attempt.late && attempt.question && attempt.server->silent_for(patience)) {
      attempt.server->blame("another server was faster", false);
    }
  }
}

DirectorySource::DirectorySource(net::Loop& loop, net::TimerWheel& timers,
                                 std::shared_ptr<const Directories> directories,
                                 std::string_view name, bool hands_out)
    : timers_(timers), directories_(std::move(directories)), name_(name), hands_out_(hands_out) {
  inbox_->wakeup = std::make_unique<net::Wakeup>(loop, [this] { deliver(); });
}

DirectorySource::~DirectorySource() {
  const std::lock_guard lock(inbox_->mutex);
  inbox_->wakeup.reset();
  inbox_->answers.clear();
}

void DirectorySource::look_up(const auth::LoginRequest& request, Callback done) {
  const std::uint64_t id = ++last_id_;
  const auto [at, fresh] =
      look_ups_.emplace(id, std::make_unique<LookUp>(*this, id, request, std::move(done)));
  at->second->start();
}

void DirectorySource::Inbox::put(Answer answer) {
  const std::lock_guard lock(mutex);
  if (wakeup) {
    answers.push_back(std::move(answer));
    wakeup->notify();
  }
}

// A callback may destroy this source.
void DirectorySource::deliver() {
  const std::shared_ptr<Inbox> inbox = inbox_;
  std::vector<Answer> answers;
  {
    const std::lock_guard lock(inbox->mutex);
    answers.swap(inbox->answers);
  }
  for (Answer& answer : answers) {
    if (!inbox->wakeup) {
      return;
    }
    if (const auto found = look_ups_.find(answer.look_up); found != look_ups_.end()) {
      found->second->on_answer(answer.attempt, std::move(answer.result));
    }
  }
}

}  // namespace headgate::sources
