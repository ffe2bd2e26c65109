#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <random>
#include <string_view>

#include "auth/breaker.h"
#include "auth/owned_request.h"
#include "auth/user_source.h"
#include "metrics/worker_metrics.h"
#include "net/timer_wheel.h"

namespace headgate::auth {

struct GuardOptions {
  std::chrono::milliseconds deadline{10000};  // from question to answer, the queue included
  std::size_t max_parallel = 64;              // questions under way, by each worker
  std::size_t max_queue = 1000;               // questions that wait for those, by each worker
  BreakerOptions breaker = {};
  // The backend judges, tokens as well as passwords, where the client says whose the token is.
  bool passes_tokens = false;
};

// Stands before a source that may be slow, hang or fail, so that it can hurt nobody else: every
// question ends within the deadline, so many are under way and so many wait, and a source that
// keeps failing is not asked. Whatever it could not do is Unavailable, never a wrong password.
class GuardedSource : public UserSource {
 public:
  // `timers` and `metrics` must outlive it; `breaker` is shared with the other workers' guards.
  GuardedSource(net::TimerWheel& timers, std::unique_ptr<UserSource> source, GuardOptions options,
                std::shared_ptr<Breaker> breaker, metrics::SourceMetrics& metrics);
  // Callbacks that have not come by then never do.
  ~GuardedSource() override;

  void look_up(const LoginRequest& request, Callback done) override;
  [[nodiscard]] bool takes(const dialogue::Credentials& credentials) const override {
    return source_->takes(credentials) ||
           (options_.passes_tokens && credentials.by_token() && !credentials.user.empty());
  }
  [[nodiscard]] bool judges_rounds() const override { return source_->judges_rounds(); }
  LookupResult explain(std::string_view user) override { return source_->explain(user); }
  [[nodiscard]] std::string_view name() const override { return source_->name(); }

 private:
  struct Question;
  using Questions = std::list<std::shared_ptr<Question>>;

  bool may_start(Question& question);
  void start(Questions::iterator place, const LoginRequest& request);
  void start_waiting();
  void answered(Question& question, LookupResult result);
  void timed_out(Question& question);
  void end(Question& question, metrics::SourceResult result);
  void update_gauges();
  void show(std::int64_t under_way, std::int64_t queued);

  net::TimerWheel& timers_;
  std::unique_ptr<UserSource> source_;
  const GuardOptions options_;
  std::shared_ptr<Breaker> breaker_;
  metrics::SourceMetrics& metrics_;
  std::minstd_rand random_{std::random_device{}()};
  Questions asked_;
  Questions waiting_;                 // oldest first
  std::int64_t shown_under_way_ = 0;  // what of the gauges is this object's: for a while after a
  std::int64_t shown_queued_ = 0;     // reload there are two of one name
  bool starting_ = false;
};

}  // namespace headgate::auth
