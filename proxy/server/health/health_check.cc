#include "server/health/health_check.h"

#include <algorithm>
#include <utility>

#include "base/printable.h"
#include "server/protocol.h"
#include "server/session/backend_proof.h"

namespace headgate::server {

using dialogue::CheckStage;

namespace {

dialogue::CheckLevel level_of(config::CheckLevel level) {
  switch (level) {
    case config::CheckLevel::kConnect:
      return dialogue::CheckLevel::kConnect;
    case config::CheckLevel::kGreeting:
      break;
    case config::CheckLevel::kLogin:
      return dialogue::CheckLevel::kLogin;
    case config::CheckLevel::kMailbox:
      return dialogue::CheckLevel::kMailbox;
  }
  return dialogue::CheckLevel::kGreeting;
}

}  // namespace

HealthCheck::HealthCheck(const Thread& thread, Target target, void* owner, Done done)
    : thread_(thread),
      target_(std::move(target)),
      owner_(owner),
      done_(done),
      timeout_(this, &HealthCheck::on_timeout) {}

void HealthCheck::start() {
  stage_began_ = Clock::now();
  if (target_.endpoints.empty()) {
    fail(dialogue::LoginFailure::kConnectFailed, "the name does not resolve");
    return;
  }
  end_ms_ = thread_.loop.now_ms() + net::to_ms(target_.pool.health->timeout);
  next_address();
}

void HealthCheck::next_address() {
  const config::Pool& pool = target_.pool;
  const std::uint64_t now = thread_.loop.now_ms();
  thread_.timers.arm(timeout_,
                     (end_ms_ - std::min(end_ms_, now)) / (target_.endpoints.size() - address_));
  result_.address = target_.endpoints[address_++];
  auto dialogue =
      make_imap_check(level_of(pool.health->level), pool.tls == config::TlsMode::kStartTls);
  dialogue_ = dialogue.get();
  leg_ = std::make_unique<BackendLeg>(thread_.loop, thread_.scratch,
                                      BackendLeg::Target{.endpoint = result_.address,
                                                         .host = target_.host,
                                                         .tls = pool.tls,
                                                         .client_tls = target_.client_tls,
                                                         .keepalive = {}},
                                      std::move(dialogue), this, &HealthCheck::on_ready);
  stage_ = CheckStage::kConnect;
  after(leg_->start(request()));
}

dialogue::BackendLoginRequest HealthCheck::request() const {
  const config::Health& health = *target_.pool.health;
  dialogue::BackendLoginRequest request;
  request.forward_client = false;
  if (health.password.empty() && target_.pool.master) {
    prove_by_master(*target_.pool.master, health.user, request);
  } else {
    request.user = health.user;
    request.password = health.password.clone();
  }
  return request;
}

void HealthCheck::on_ready(void* self, unsigned /*mask*/) noexcept {
  auto& check = *static_cast<HealthCheck*>(self);
  check.after(check.leg_->on_ready());
}

void HealthCheck::on_timeout(void* self) noexcept {
  auto& check = *static_cast<HealthCheck*>(self);
  check.leg_->time_out();
  check.after(BackendLeg::Status::kFailed);
}

void HealthCheck::after(BackendLeg::Status status) {
  note_stage();
  switch (status) {
    case BackendLeg::Status::kWaiting:
    case BackendLeg::Status::kReady:
      if (stage_ != CheckStage::kConnect && !std::exchange(connected_, true)) {
        const std::uint64_t now = thread_.loop.now_ms();
        thread_.timers.arm(timeout_, end_ms_ - std::min(end_ms_, now));
      }
      return;
    case BackendLeg::Status::kLoggedIn:
      result_.passed = true;
      finish(std::move(result_));
      return;
    case BackendLeg::Status::kFailed:
      if (stage_ == CheckStage::kConnect && address_ < target_.endpoints.size()) {
        next_address();
        return;
      }
      fail(leg_->failure(), leg_->detail());
      return;
  }
}

CheckStage HealthCheck::stage() const {
  switch (leg_->stage()) {
    case BackendLeg::Stage::kConnect:
      return CheckStage::kConnect;
    case BackendLeg::Stage::kTls:
      return CheckStage::kTls;
    case BackendLeg::Stage::kDialogue:
      break;
  }
  return dialogue_->stage();
}

// What has passed since the last look belongs to the stage that it was at then.
void HealthCheck::note_stage() {
  const auto now = Clock::now();
  result_.stages[static_cast<std::size_t>(stage_)] +=
      std::chrono::duration_cast<std::chrono::microseconds>(now - stage_began_);
  stage_began_ = now;
  stage_ = stage();
}

void HealthCheck::fail(dialogue::LoginFailure failure, std::string detail) {
  result_.failure = failure;
  result_.detail = without(std::move(detail), target_.pool.health->password.view());
  if (target_.pool.master) {
    result_.detail = without(std::move(result_.detail), target_.pool.master->password.view());
  }
  finish(std::move(result_));
}

void HealthCheck::finish(CheckResult result) {
  timeout_.cancel();
  leg_.reset();
  done_(owner_, std::move(result));
}

}  // namespace headgate::server
