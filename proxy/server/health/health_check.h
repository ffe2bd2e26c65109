#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/address.h"
#include "config/config.h"
#include "dialogue/backend_check.h"
#include "dialogue/failure.h"
#include "net/loop.h"
#include "net/timer_wheel.h"
#include "net/tls.h"
#include "net/transport.h"
#include "server/session/backend_leg.h"

namespace headgate::server {

// How a check ended.
struct CheckResult {
  bool passed = false;
  dialogue::LoginFailure failure = dialogue::LoginFailure::kInternal;
  std::string detail;  // of a failure; printable, without the account's password
  Endpoint address;    // the last that was tried
  // By CheckStage; zero: it was not reached, or there was nothing to do.
  std::array<std::chrono::microseconds, dialogue::kCheckStageNames.size()> stages{};
};

// One check of one backend: a login as a session's, with a dialogue that is a check. Its addresses
// are tried in turn until one can be connected to, all within the timeout: to connect each has its
// share of what is left.
class HealthCheck {
 public:
  struct Target {
    const config::Pool& pool;  // with `health`; must outlive the check
    std::string host;
    std::vector<Endpoint> endpoints;
    net::ClientTls* client_tls = nullptr;  // for pools with TLS
  };
  struct Thread {
    net::Loop& loop;
    net::IoScratch& scratch;
    net::TimerWheel& timers;
  };
  // Called once, perhaps from within start(); must not destroy the check.
  using Done = void (*)(void* owner, CheckResult result) noexcept;

  HealthCheck(const Thread& thread, Target target, void* owner, Done done);
  void start();

 private:
  using Clock = std::chrono::steady_clock;

  static void on_ready(void* self, unsigned mask) noexcept;
  static void on_timeout(void* self) noexcept;

  void next_address();
  void after(BackendLeg::Status status);
  void note_stage();
  void finish(CheckResult result);
  void fail(dialogue::LoginFailure failure, std::string detail);
  [[nodiscard]] dialogue::CheckStage stage() const;
  [[nodiscard]] dialogue::BackendLoginRequest request() const;

  const Thread thread_;
  const Target target_;
  void* owner_;
  Done done_;
  net::Timer timeout_;
  std::uint64_t end_ms_ = 0;  // of the whole check, by the loop's clock
  bool connected_ = false;
  std::size_t address_ = 0;                     // the next one
  dialogue::BackendCheck* dialogue_ = nullptr;  // the leg's
  std::unique_ptr<BackendLeg> leg_;
  CheckResult result_;
  dialogue::CheckStage stage_ = dialogue::CheckStage::kConnect;
  Clock::time_point stage_began_;
};

}  // namespace headgate::server
