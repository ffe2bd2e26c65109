#include "sources/dovecot_auth_look_up.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace headgate::sources {

using dialogue::LoginFailure;
using std::chrono::milliseconds;

DovecotAuthSource::LookUp::LookUp(DovecotAuthSource& source, std::uint64_t id,
                                  const auth::LoginRequest& request,
                                  std::vector<std::size_t> servers, Callback done)
    : source_(source),
      id_(id),
      request_(request),
      in_rounds_(request.round != nullptr),
      mechanism_(dovecot_auth_mechanism(request.credentials)),
      servers_(std::move(servers)),
      done_(std::move(done)) {
  if (!in_rounds_) {
    message_ = dovecot_auth_message(request.credentials);
  } else if (request.round->message) {
    message_ = request.round->message->clone();
  }
}

DovecotAuthSource::LookUp::~LookUp() {
  let_go_of_connection();
  if (rival_ != 0) {
    source_.erase(rival_);
  }
}

void DovecotAuthSource::LookUp::start(std::uint64_t deadline_ms) {
  deadline_ms_ = deadline_ms;
  arm_hedge();
  ask_next();
}

// An exchange goes on where it has begun.
void DovecotAuthSource::LookUp::arm_hedge() {
  const auto after = source_.servers_->options->hedge_after;
  if (!in_rounds_ && servers_.size() > 1 && after.count() > 0) {
    source_.timers_.arm(hedge_, net::to_ms(after));
  }
}

void DovecotAuthSource::LookUp::on_hedge(void* self) noexcept {
  auto& look_up = *static_cast<LookUp*>(self);
  if (!look_up.answered_ && look_up.connection_ != nullptr && look_up.servers_.size() > 1 &&
      look_up.source_.servers_->servers[look_up.servers_[1]]->state.is_up()) {
    look_up.ask_others();
  }
}

// The one that is asked already keeps its share of the time.
void DovecotAuthSource::LookUp::ask_others() {
  std::vector<std::size_t> others(servers_.begin() + 1, servers_.end());
  servers_.resize(1);
  source_.servers_->servers[others.front()]->state.count_hedge();
  rival_ = source_.last_id_ + 1;  // it may be over before begin() returns
  source_.begin(request_.view(), std::move(others), deadline_ms_,
                [&source = source_, id = id_](auth::LookupResult result) {
                  if (LookUp* look_up = source.find(id)) {
                    look_up->on_rival(std::move(result));
                  }
                });
}

void DovecotAuthSource::LookUp::on_rival(auth::LookupResult result) {
  rival_ = 0;
  const auto* rejected = std::get_if<auth::Rejected>(&result);
  const bool answer = rejected != nullptr ? rejected->failure != LoginFailure::kLookupUnavailable
                                          : std::holds_alternative<auth::Accepted>(result);
  if (!answer && !over_) {
    return;
  }
  if (!over_) {
    count(RequestResult::kAbandoned);
    if (connection_ != nullptr && connection_->lines() == lines_) {
      source_.blame(servers_.front(), "another server was faster");
    }
  }
  finish(std::move(result));
}

bool DovecotAuthSource::LookUp::leave_it_to_rival() {
  over_ = over_ || rival_ != 0;
  return over_;
}

void DovecotAuthSource::LookUp::ask_next() {
  while (!servers_.empty()) {
    if (tries_ >= most_tries() || source_.loop_.now_ms() >= deadline_ms_) {
      next_server();
      continue;
    }
    ++tries_;
    const auto connection = source_.connection_to(servers_.front());
    if (!connection) {
      count(RequestResult::kFailed);
      why_ = connection.error();
      next_server();
      continue;
    }
    connection_ = *connection;
    wait_for_answer();
    if (connection_->ready()) {
      send();
    } else {
      connection_->await_ready(*this);
    }
    return;
  }
  if (!leave_it_to_rival()) {
    finish(auth::Unavailable{why_});
  }
}

// When a service goes, all connections to it do, and which of them have gone is known only when
// each has been looked at. Then a new one.
unsigned DovecotAuthSource::LookUp::most_tries() const {
  return static_cast<unsigned>(source_.servers_->options->connections) + 1;
}

void DovecotAuthSource::LookUp::next_server() {
  servers_.erase(servers_.begin());
  tries_ = 0;
}

// One server that hangs must leave time for the others.
void DovecotAuthSource::LookUp::wait_for_answer() {
  asked_at_ = Clock::now();
  lines_ = connection_->lines();
  const std::uint64_t now = source_.loop_.now_ms();
  const std::uint64_t left = std::max(deadline_ms_, now + 1) - now;
  source_.timers_.arm(timer_, left / (answered_ ? 1 : servers_.size()));
}

void DovecotAuthSource::LookUp::on_ready() {
  lines_ = connection_->lines();
  send();
}

void DovecotAuthSource::LookUp::send() {
  source_.describe(servers_.front(), *connection_);
  if (!connection_->offers(mechanism_)) {
    refuse(fmt::format("auth service {} does not offer {}",
                       source_.servers_->servers[servers_.front()]->state.name(), mechanism_));
    return;
  }
  request_id_ = connection_->ask(*this, mechanism_, source_.servers_->options->service,
                                 request_.view(), message_ ? &*message_ : nullptr);
  if (request_id_ == 0) {
    finish(auth::Rejected{.failure = LoginFailure::kWrongCredentials,
                          .detail = "longer than the protocol of Dovecot's auth service allows"});
  }
}

void DovecotAuthSource::LookUp::go_on(const auth::Round& round, Callback done) {
  done_ = std::move(done);
  if (early_) {
    finish(*std::exchange(early_, std::nullopt));
    return;
  }
  deadline_ms_ = source_.loop_.now_ms() + net::to_ms(source_.servers_->options->timeout);
  wait_for_answer();
  const Secret none;
  if (!connection_->go_on(request_id_, round.message ? *round.message : none)) {
    finish(auth::Rejected{.failure = LoginFailure::kWrongCredentials,
                          .detail = "longer than the protocol of Dovecot's auth service allows"});
  }
}

void DovecotAuthSource::LookUp::on_time(void* self) noexcept {
  static_cast<LookUp*>(self)->give_up_on_server();
}

// A service that has answered others meanwhile is slow with this login alone.
void DovecotAuthSource::LookUp::give_up_on_server() {
  count(RequestResult::kTimeout);
  why_ = fmt::format("no answer within {} ms",
                     std::chrono::duration_cast<milliseconds>(Clock::now() - asked_at_).count());
  if (!connection_->ready() || connection_->lines() == lines_) {
    const std::string why = why_;
    tries_ = most_tries();
    connection_->end(DovecotAuthEnd::kHung, why);  // and so on_lost()
    return;
  }
  let_go_of_connection();
  if (answered_) {
    refuse(why_);
    return;
  }
  next_server();
  ask_next();
}

void DovecotAuthSource::LookUp::on_lost(DovecotAuthEnd end, const std::string& why) {
  connection_ = nullptr;
  request_id_ = 0;
  timer_.cancel();
  if (end != DovecotAuthEnd::kHung) {
    count(end == DovecotAuthEnd::kMalformed ? RequestResult::kInvalid : RequestResult::kFailed);
    why_ = why;
  }
  if (answered_) {
    refuse("the connection to the auth service was lost in the middle of an exchange");
    return;
  }
  // One that has hung up on this login may do better on another connection; one that fails or hangs
  // will not, if there is another server.
  if (servers_.size() > 1 && (end == DovecotAuthEnd::kFailed || end == DovecotAuthEnd::kHung)) {
    tries_ = most_tries();
  }
  ask_next();
}

void DovecotAuthSource::LookUp::on_line(const DovecotAuthLine& line) {
  source_.note_answer(servers_.front());
  source_.servers_->servers[servers_.front()]->state.duration.observe(
      std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - asked_at_));
  timer_.cancel();
  if (line.kind == DovecotAuthLine::Kind::kContinue) {
    on_continue(line);
    return;
  }
  request_id_ = 0;
  connection_ = nullptr;
  if (line.kind == DovecotAuthLine::Kind::kOk) {
    on_ok(line);
  } else {
    on_fail(line);
  }
}

void DovecotAuthSource::LookUp::on_continue(const DovecotAuthLine& line) {
  const bool first = !std::exchange(answered_, true);
  hedge_.cancel();
  if (in_rounds_ && with_client()) {
    early_ = auth::Rejected{.failure = LoginFailure::kLookupUnavailable,
                            .detail = "the auth service spoke out of turn"};
  } else if (in_rounds_) {
    count(RequestResult::kWait);
    const Callback done = std::exchange(done_, nullptr);
    done(auth::Challenge{std::string(line.message.view()),
                         std::make_shared<Passing>(source_.self_, id_)});
  } else if (request_.view().credentials.by_token() && first) {
    // The token is not good, and the challenge says why: its answer is a formality (RFC 7628).
    wait_for_answer();
    connection_->go_on(request_id_, Secret(mechanism_ == "OAUTHBEARER" ? "\001" : ""));
  } else {
    refuse("the auth service wants to know more than the credentials");
  }
}

void DovecotAuthSource::LookUp::on_ok(const DovecotAuthLine& line) {
  auth::LookupResult result = dovecot_auth_accepted(line.fields, request_.view().credentials,
                                                    source_.servers_->options->checks_passwords
                                                        ? DovecotAuthTrust::kChecked
                                                        : DovecotAuthTrust::kPerhapsOpen);
  const auto* rejected = std::get_if<auth::Rejected>(&result);
  count(rejected == nullptr                                     ? RequestResult::kAccepted
        : rejected->failure == LoginFailure::kLookupUnavailable ? RequestResult::kInvalid
                                                                : RequestResult::kRefused);
  resolve_backend(std::move(result));
}

// A service whose database is down says so; another one may have one that is up.
void DovecotAuthSource::LookUp::on_fail(const DovecotAuthLine& line) {
  auth::Rejected rejected = dovecot_auth_rejected(line.fields);
  const bool temporary = rejected.failure == LoginFailure::kLookupUnavailable;
  count(temporary ? RequestResult::kInvalid : RequestResult::kRefused);
  if (temporary && !answered_ && servers_.size() > 1) {
    next_server();
    ask_next();
    return;
  }
  if (with_client()) {
    early_ = std::move(rejected);
    return;
  }
  if (!temporary || !leave_it_to_rival()) {
    finish(std::move(rejected));
  }
}

// The answer is known; but a backend that is a host name and stands in no pool has to be resolved.
void DovecotAuthSource::LookUp::resolve_backend(auth::LookupResult result) {
  const auto* accepted = std::get_if<auth::Accepted>(&result);
  const auto& known = source_.servers_->options->known_backends;
  if (accepted == nullptr || !accepted->route.backend || !accepted->route.addresses.empty() ||
      std::ranges::find(known, *accepted->route.backend) != known.end()) {
    finish(std::move(result));
    return;
  }
  const HostPort backend = *accepted->route.backend;
  source_.names_.find(backend, [&source = source_, id = id_, backend, result = std::move(result)](
                                   const std::vector<Endpoint>& endpoints) mutable {
    LookUp* look_up = source.find(id);
    if (look_up == nullptr) {
      return;
    }
    if (endpoints.empty()) {
      look_up->refuse(fmt::format("backend {} does not resolve", backend.to_string()));
      return;
    }
    std::get<auth::Accepted>(result).route.addresses = endpoints;
    look_up->finish(std::move(result));
  });
}

void DovecotAuthSource::LookUp::count(RequestResult result) {
  source_.servers_->servers[servers_.front()]->state.count(result);
}

// This login alone could not be served: not Unavailable, which would count against the source.
void DovecotAuthSource::LookUp::refuse(std::string why) {
  auth::Rejected rejected{.failure = LoginFailure::kLookupUnavailable, .detail = std::move(why)};
  if (with_client()) {
    early_ = std::move(rejected);
    return;
  }
  if (!leave_it_to_rival()) {
    finish(std::move(rejected));
  }
}

void DovecotAuthSource::LookUp::finish(auth::LookupResult result) {
  const Callback done = std::exchange(done_, nullptr);
  source_.erase(id_);  // this object
  done(std::move(result));
}

void DovecotAuthSource::LookUp::let_go_of_connection() {
  if (connection_ != nullptr) {
    std::exchange(connection_, nullptr)->forget(*this, std::exchange(request_id_, 0));
  }
}

}  // namespace headgate::sources
