#include "server/operations/session_survey.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "relay/relay.h"
#include "server/protocol.h"
#include "server/session/client_leg.h"
#include "server/session/session.h"
#include "server/worker.h"

namespace headgate::server {
namespace {

// What a turn may do: looking at a session costs some hundred nanoseconds, ending one some ten
// microseconds. The time is for patterns and machines that make it more.
constexpr unsigned kLooksATurn = 128;
constexpr unsigned kEndsATurn = 8;
constexpr std::chrono::microseconds kTimeATurn{500};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

double seconds(std::uint64_t from_ms, std::uint64_t to_ms) {
  return static_cast<double>(to_ms - std::min(from_ms, to_ms)) / 1000.0;
}

admin::SessionView view_of(const SessionGlance& glance) {
  return {.id = glance.id,
          .user = std::string(glance.user),
          .client = glance.client.to_string(),
          .listener = std::string(glance.listener),
          .pool = std::string(glance.pool),
          .backend = glance.backend != nullptr ? glance.backend->to_string() : std::string(),
          .phase = metrics::name(glance.phase),
          .state = glance.state,
          .tls = std::string(glance.tls),
          .age_s = seconds(glance.started_ms, glance.now_ms),
          .idle_s = seconds(std::max(glance.moved_ms, glance.started_ms), glance.now_ms),
          .bytes_to_backend = glance.bytes_to_backend,
          .bytes_to_client = glance.bytes_to_client};
}

}  // namespace

bool matches(std::string_view pattern, std::string_view text) {
  std::size_t at = 0;
  std::size_t in_text = 0;
  std::size_t star = pattern.npos;  // the last one seen, and where it gave up so far
  std::size_t resume = 0;
  while (in_text < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      resume = in_text;
    } else if (at < pattern.size() && (pattern[at] == '?' || pattern[at] == lower(text[in_text]))) {
      ++at;
      ++in_text;
    } else if (star != pattern.npos) {
      at = star + 1;
      in_text = ++resume;
    } else {
      return false;
    }
  }
  return std::ranges::all_of(pattern.substr(at), [](char c) { return c == '*'; });
}

std::expected<void, admin::Problem> check(const admin::SessionFilter& filter) {
  if (filter.state.empty()) {
    return {};
  }
  std::vector<std::string_view> known;
  for (const auto& some : {ClientLeg::state_names(), imap_states(), relay::Relay::state_names()}) {
    known.insert(known.end(), some.begin(), some.end());
  }
  if (std::ranges::find(known, filter.state) == known.end()) {
    return std::unexpected(
        admin::Problem{400, fmt::format("state: expected one of {}", fmt::join(known, ", "))});
  }
  return {};
}

bool matches(const admin::SessionFilter& filter, const SessionGlance& session) {
  const auto is = [](std::string_view wanted, std::string_view found) {
    return wanted.empty() || wanted == found;
  };
  return (!filter.session || *filter.session == session.id) && is(filter.pool, session.pool) &&
         is(filter.listener, session.listener) && is(filter.phase, metrics::name(session.phase)) &&
         is(filter.state, session.state) &&
         (!filter.backend || (session.backend != nullptr && *filter.backend == *session.backend)) &&
         (!filter.client || filter.client->contains(session.client.ip)) &&
         (filter.user.empty() || std::ranges::equal(filter.user, session.user, {}, {}, lower)) &&
         (filter.pattern.empty() || matches(filter.pattern, session.user));
}

SessionSurvey::Outcome SessionSurvey::run(Order order,
                                          const std::vector<std::unique_ptr<Worker>>& workers,
                                          std::chrono::milliseconds limit) {
  const auto survey = std::make_shared<SessionSurvey>(std::move(order));
  for (const auto& worker : workers) {
    worker->post(AnswerSurvey{std::make_unique<SurveyPart>(survey)});
  }
  Outcome outcome;
  std::vector<Rows> rows;
  std::vector<Users> users;
  {
    std::unique_lock lock(survey->mutex_);
    const bool all = survey->news_.wait_for(lock, limit, [&] { return survey->awaited_ == 0; });
    outcome.ended = survey->ended_;
    outcome.complete = all && survey->incomplete_ == 0;
    rows.swap(survey->rows_);
    users.swap(survey->users_);
  }
  // Not where workers would wait for it: there may be tens of thousands.
  for (Rows& some : rows) {
    outcome.rows.merge(std::move(some));
  }
  for (Users& some : users) {
    outcome.users.merge(std::move(some));
  }
  return outcome;
}

void SessionSurvey::begin(Order order, const std::vector<std::unique_ptr<Worker>>& workers) {
  const auto survey = std::make_shared<SessionSurvey>(std::move(order));
  for (const auto& worker : workers) {
    worker->post(AnswerSurvey{std::make_unique<SurveyPart>(survey)});
  }
}

void SessionSurvey::expect_one_more() {
  const std::lock_guard lock(mutex_);
  ++awaited_;
}

void SessionSurvey::hand_in(Rows rows, Users users, std::size_t ended, bool complete) {
  const std::lock_guard lock(mutex_);
  rows_.push_back(std::move(rows));
  users_.push_back(std::move(users));
  ended_ += ended;
  incomplete_ += complete ? 0U : 1U;
  --awaited_;
  news_.notify_all();
}

SurveyPart::SurveyPart(std::shared_ptr<SessionSurvey> survey) : survey_(std::move(survey)) {
  survey_->expect_one_more();
}

SurveyPart::~SurveyPart() {
  survey_->hand_in(std::move(rows_), std::move(users_), ended_, complete_);
}

SurveyPart::Visit SurveyPart::visit(Session& session) {
  const SessionSurvey::Order& order = survey_->order();
  if (order.leaving) {
    if (session.logged_in() && session.backend_state() == order.leaving.get()) {
      session.leave_within(order.leave_over);
    }
    return Visit::kSeen;
  }
  const SessionGlance glance = session.glance();
  if ((order.after && glance.id <= *order.after) || glance.started_ms >= order.before_ms ||
      !matches(order.filter, glance)) {
    return Visit::kSeen;
  }
  if (order.reason) {
    if (!survey_->take_one()) {
      return Visit::kEnough;
    }
    session.close(*order.reason, order.detail);
    ++ended_;
    return Visit::kEnded;
  }
  if (users_.size() < order.users) {
    std::string name(glance.user);
    std::ranges::transform(name, name.begin(), lower);
    users_.insert_or_assign(session.lease().user, std::move(name));
  }
  if (order.rows == 0) {
    return Visit::kSeen;
  }
  // One that logged in while this goes on is seen twice; its place is the same.
  if (rows_.size() < order.rows || glance.id < rows_.rbegin()->first) {
    rows_.insert_or_assign(glance.id, view_of(glance));
    if (rows_.size() > order.rows) {
      rows_.erase(std::prev(rows_.end()));
    }
  }
  return Visit::kSeen;
}

void SurveyWalk::begin(std::unique_ptr<SurveyPart> part) {
  parts_.push_back(std::move(part));
  if (parts_.size() == 1) {
    enter(waiting_);
  }
}

// Those that are not logged in first: who logs in meanwhile goes to the end of what is still to
// come.
void SurveyWalk::enter(IntrusiveList<Session>& list) {
  list_ = &list;
  next_ = list.front();
}

void SurveyWalk::step() {
  next_ = list_->after(*next_);
}

void SurveyWalk::end_part(bool complete) {
  if (complete) {
    parts_.front()->finish();
  }
  parts_.pop_front();
  enter(waiting_);
}

void SurveyWalk::turn() {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + kTimeATurn;
  unsigned ends = 0;
  for (unsigned looks = 0;
       busy() && looks < kLooksATurn && ends < kEndsATurn && Clock::now() < until; ++looks) {
    if (next_ == nullptr && list_ == &waiting_) {
      enter(relaying_);
    }
    if (next_ == nullptr) {
      end_part(true);
      continue;
    }
    Session& session = *next_;
    step();  // before the session can go
    switch (parts_.front()->visit(session)) {
      case SurveyPart::Visit::kSeen:
        break;
      case SurveyPart::Visit::kEnded:
        ++ends;
        break;
      case SurveyPart::Visit::kEnough:
        end_part(false);
        break;
    }
  }
}

}  // namespace headgate::server
