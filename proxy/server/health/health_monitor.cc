#include "server/health/health_monitor.h"

#include <algorithm>
#include <atomic>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "base/thread_name.h"

namespace headgate::server {

using balance::HealthState;

namespace {

// How often states are looked at between checks: the steps of a slow start, logins that failed.
constexpr std::uint64_t kTickMs = 250;
// At the start the checks of many backends are spread over this time, or over their interval.
constexpr std::int64_t kFirstWithinMs = 1000;

static_assert(metrics::kBackendStateNames == balance::kHealthStateNames);

// The window of login times where none is configured: they are shown all the same.
constexpr config::Slow kShownSlow;

balance::SlowRules rules_of(const config::Slow& slow) {
  return {.on = true,
          .multiple = slow.multiple,
          .above_us = static_cast<std::uint64_t>(std::chrono::microseconds(slow.above).count()),
          .least_logins = slow.least_logins,
          .most_share = slow.most_share};
}

balance::HealthRules rules_of(const config::Health& health) {
  return {.rise = health.rise,
          .fall = health.fall,
          .interval_ms = health.interval.count(),
          .failed_interval_ms = health.failed_interval.count(),
          .slow_start_ms = health.slow_start.count(),
          .panic_below = health.panic_below,
          .slow = health.slow ? rules_of(*health.slow) : balance::SlowRules()};
}

std::unique_ptr<net::ClientTls> make_tls(const config::Pool& pool) {
  if (pool.tls == config::TlsMode::kNone) {
    return nullptr;
  }
  auto tls = net::ClientTls::create(
      {.policy = {.own_records = false}, .verify = pool.verify, .ca_file = pool.ca});
  if (!tls) {
    log::error("no health checks", {{"pool", pool.name}, {"error", tls.error()}});
    return nullptr;
  }
  return std::move(*tls);
}

}  // namespace

// One backend of a pool that is checked.
struct HealthMonitor::Watched {
  Watched(HealthMonitor& by, WatchedPool& of, std::size_t member, balance::Backend what)
      : monitor(by),
        pool(of),
        at(member),
        backend(std::move(what)),
        name(backend.address.to_string()),
        failures(backend.state->failures.load(std::memory_order_relaxed)),
        window(backend.state->login_times.read()),
        due(this, &HealthMonitor::on_check_due) {}

  HealthMonitor& monitor;
  WatchedPool& pool;
  const std::size_t at;  // in the pool
  const balance::Backend backend;
  const std::string name;
  std::uint64_t failures;  // of logins, when last looked at
  balance::LatencyWindow window;
  net::Timer due;
  std::unique_ptr<HealthCheck> check;
  bool checking = false;
  std::int64_t begun_ms = 0;  // of the last check
  CheckResult last;
  HealthState state = HealthState::kUp;
  std::int64_t since_ms = 0;   // of the state; 0: from the start
  std::size_t figures_at = 0;  // in HealthMonitor::figures_
};

struct HealthMonitor::WatchedPool {
  WatchedPool(const config::Pool& pool, std::unique_ptr<net::ClientTls> client_tls)
      : config(pool),
        step_ms(std::chrono::milliseconds(pool.health->slow.value_or(kShownSlow).window).count() /
                static_cast<std::int64_t>(balance::LatencyWindow::kSteps)),
        tls(std::move(client_tls)) {}

  const config::Pool& config;  // in snapshot_
  const std::int64_t step_ms;  // of the windows
  std::int64_t step_at_ms = 0;
  std::unique_ptr<net::ClientTls> tls;
  balance::PoolHealth health;
  std::vector<std::unique_ptr<Watched>> backends;
};

HealthMonitor::HealthMonitor(std::shared_ptr<const Snapshot> snapshot, Pools pools,
                             WeightsChanged changed, EndSessions end_sessions)
    : weights_changed_(std::move(changed)),
      end_sessions_(std::move(end_sessions)),
      next_snapshot_(std::move(snapshot)),
      next_pools_(std::move(pools)) {
  timers_.emplace(loop_);
  wakeup_.emplace(loop_, [this] { on_mail(); });
  tick_.emplace(this, &HealthMonitor::on_tick);
  rebuild();
  thread_ = std::thread([this] { run(); });
}

HealthMonitor::~HealthMonitor() {
  stop();
  timers_.reset();
  loop_.drain();
}

void HealthMonitor::stop() {
  if (!thread_.joinable()) {
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    wakeup_->notify();
  }
  thread_.join();
}

void HealthMonitor::run() {
  name_this_thread("health");
  loop_.run();
  pools_.clear();
  tick_.reset();
  {
    const std::lock_guard lock(mutex_);
    wakeup_.reset();
  }
  timers_->let_loop_end();
  loop_.drain();
}

void HealthMonitor::update(std::shared_ptr<const Snapshot> snapshot, Pools pools) {
  const std::lock_guard lock(mutex_);
  next_snapshot_ = std::move(snapshot);
  next_pools_ = std::move(pools);
  if (wakeup_) {
    wakeup_->notify();
  }
}

std::vector<metrics::HealthFigures> HealthMonitor::figures() const {
  const std::lock_guard lock(mutex_);
  return figures_;
}

void HealthMonitor::on_mail() {
  const bool stop = [this] {
    const std::lock_guard lock(mutex_);
    return stop_;
  }();
  if (stop) {
    loop_.stop();
  } else {
    rebuild();
  }
}

void HealthMonitor::rebuild() {
  // What is watched so far refers to the old one.
  const std::shared_ptr<const Snapshot> old_snapshot = snapshot_;
  Pools sets;
  {
    const std::lock_guard lock(mutex_);
    if (!next_snapshot_) {
      return;
    }
    snapshot_ = std::exchange(next_snapshot_, nullptr);
    sets = std::exchange(next_pools_, {});
  }
  const Watching before = std::exchange(pools_, {});
  for (std::size_t at = 0; at < sets.size(); ++at) {
    const config::Pool& config = snapshot_->config.pools[at];
    if (config.health) {
      watch(*sets[at], config, before);
    }
  }
  for (const auto& pool : before) {
    for (const auto& watched : pool->backends) {
      if (!watches(*watched->backend.state)) {
        leave_alone(*watched->backend.state);
      }
    }
  }
  if (pools_.empty() && std::exchange(weights_differ_, false)) {
    weights_changed_();
  }
  begin_figures();
  for (const auto& pool : pools_) {
    apply(*pool);
  }
  if (!tick_->armed()) {
    timers_->arm(*tick_, kTickMs);
  }
}

void HealthMonitor::watch(const balance::BackendSet& set, const config::Pool& config,
                          const Watching& before) {
  auto tls = make_tls(config);
  if (config.tls != config::TlsMode::kNone && !tls) {
    return;
  }
  auto& pool = *pools_.emplace_back(std::make_unique<WatchedPool>(config, std::move(tls)));
  const balance::HealthRules rules = rules_of(*config.health);
  std::vector<balance::PoolHealth::Member> members;
  for (const balance::Backend& backend : set.backends) {
    auto& watched = *pool.backends.emplace_back(
        std::make_unique<Watched>(*this, pool, members.size(), backend));
    // A canary serves its own users alone: its health says nothing about the pool's.
    auto& member = members.emplace_back(balance::PoolHealth::Member{
        .weight = backend.share != 0 ? 0 : backend.weight, .backup = backend.backup, .health = {}});
    for (const auto& old_pool : before) {
      for (const auto& old : old_pool->backends) {
        if (old->backend.state == backend.state) {
          member.health = old_pool->health.health(old->at);
          watched.window = old->window;
          watched.last = old->last;
          watched.state = old->state;
          watched.since_ms = old->since_ms;
        }
      }
    }
    const auto within = std::min(rules.interval_ms, kFirstWithinMs);
    timers_->arm(watched.due, random_() % static_cast<std::uint64_t>(within));
  }
  pool.health = balance::PoolHealth(rules, std::move(members));
  const auto same = std::ranges::find_if(before, [&](const auto& old) {
    return std::ranges::equal(old->backends, pool.backends, [](const auto& a, const auto& b) {
      return a->backend.state == b->backend.state;
    });
  });
  if (same != before.end()) {
    pool.health.take_shift_from((*same)->health);
    pool.step_at_ms = (*same)->step_at_ms;
  }
}

// Of one that is not checked any more: nobody else would give back what the checks took.
void HealthMonitor::leave_alone(balance::BackendState& state) {
  if (balance::is_taken_out(state)) {
    balance::note_brought_back(state);
  }
  const auto before = state.tenths.exchange(balance::kWholeTenths, std::memory_order_relaxed);
  weights_differ_ = weights_differ_ || before != balance::kWholeTenths;
}

bool HealthMonitor::watches(const balance::BackendState& state) const {
  return std::ranges::any_of(pools_, [&](const auto& pool) {
    return std::ranges::any_of(pool->backends, [&](const auto& watched) {
      return watched->backend.state.get() == &state;
    });
  });
}

// One entry for each backend that is watched; counts of those that were before go on.
void HealthMonitor::begin_figures() {
  const std::lock_guard lock(mutex_);
  const auto before = std::exchange(figures_, {});
  for (const auto& pool : pools_) {
    for (const auto& watched : pool->backends) {
      watched->figures_at = figures_.size();
      const auto known = std::ranges::find_if(before, [&](const auto& one) {
        return one.pool == pool->config.name && one.backend == watched->name;
      });
      if (known != before.end()) {
        figures_.push_back(*known);
        continue;
      }
      metrics::HealthFigures& figures = figures_.emplace_back();
      figures.pool = pool->config.name;
      figures.backend = watched->name;
      figures.state = balance::name(watched->state);
      figures.since = std::chrono::system_clock::now();
    }
  }
}

void HealthMonitor::on_check_due(void* watched) noexcept {
  auto& one = *static_cast<Watched*>(watched);
  one.monitor.check(one);
}

void HealthMonitor::check(Watched& watched) {
  watched.begun_ms = clock_ms();
  watched.checking = true;
  std::vector<Endpoint> addresses = watched.backend.endpoints;
  std::ranges::rotate(addresses, addresses.begin() + static_cast<std::ptrdiff_t>(
                                                         balance::first_address(watched.backend)));
  watched.check = std::make_unique<HealthCheck>(
      HealthCheck::Thread{loop_, scratch_, *timers_},
      HealthCheck::Target{watched.pool.config, watched.backend.address.host, std::move(addresses),
                          watched.pool.tls.get()},
      &watched, &HealthMonitor::on_checked);
  watched.check->start();
}

void HealthMonitor::on_checked(void* watched, CheckResult result) noexcept {
  auto& one = *static_cast<Watched*>(watched);
  one.monitor.checked(one, std::move(result));
}

void HealthMonitor::checked(Watched& watched, CheckResult result) {
  watched.checking = false;
  const log::Level level =
      watched.state == HealthState::kDown ? log::Level::kDebug : log::Level::kInfo;
  if (!result.passed && log::enabled(level)) {
    log::write(level, "health check failed",
               {{"pool", watched.pool.config.name},
                {"backend", watched.name},
                {"failure", dialogue::info(result.failure).name},
                {"detail", result.detail}});
  }
  watched.pool.health.note_check(watched.at, result.passed, clock_ms());
  if (result.passed) {
    balance::note_address_worked(watched.backend, result.address);
  }
  watched.last = std::move(result);
  {
    const std::lock_guard lock(mutex_);
    metrics::HealthFigures& figures = figures_[watched.figures_at];
    ++(watched.last.passed ? figures.passed : figures.failed);
    if (watched.last.passed) {
      figures.stages = watched.last.stages;
    }
  }
  const std::int64_t next =
      watched.begun_ms +
      watched.pool.health.health(watched.at).next_after(watched.pool.health.rules(), random_());
  timers_->arm(watched.due,
               static_cast<std::uint64_t>(std::max<std::int64_t>(next - clock_ms(), 0)));
  apply(watched.pool);
}

void HealthMonitor::on_tick(void* self) noexcept {
  auto& monitor = *static_cast<HealthMonitor*>(self);
  for (const auto& pool : monitor.pools_) {
    for (const auto& watched : pool->backends) {
      monitor.check_soon_after_failures(*watched);
    }
    monitor.look_at_login_times(*pool);
    monitor.apply(*pool);
  }
  monitor.timers_->arm(*monitor.tick_, kTickMs);
}

// Users found out first: a check now says whether it was more than a moment.
void HealthMonitor::check_soon_after_failures(Watched& watched) {
  const std::uint64_t failures = watched.backend.state->failures.load(std::memory_order_relaxed);
  if (std::exchange(watched.failures, failures) == failures || watched.checking ||
      !watched.pool.health.health(watched.at).up()) {
    return;
  }
  timers_->arm(watched.due, 0);
}

void HealthMonitor::look_at_login_times(WatchedPool& pool) {
  const std::int64_t now = clock_ms();
  if (now < pool.step_at_ms) {
    return;
  }
  pool.step_at_ms = now + pool.step_ms;
  std::vector<balance::PoolHealth::LoginTimes> times;
  for (const auto& watched : pool.backends) {
    balance::LatencyWindow& window = watched->window;
    window.step(watched->backend.state->login_times.read());
    times.push_back({.logins = window.count(), .p95_us = window.percentile_us(95)});
    const std::lock_guard lock(mutex_);
    figures_[watched->figures_at].login_p95 = std::chrono::microseconds(times.back().p95_us);
  }
  pool.health.note_login_times(times);
}

void HealthMonitor::apply(WatchedPool& pool) {
  const std::int64_t now = clock_ms();
  // The weight that a backend starts with has to be known before it is brought back.
  for (const auto& watched : pool.backends) {
    std::atomic<std::uint32_t>& known = watched->backend.state->tenths;
    const std::uint32_t tenths = pool.health.tenths(watched->at, now);
    if (known.load(std::memory_order_relaxed) != tenths) {
      known.store(tenths, std::memory_order_relaxed);
      weights_differ_ = true;
    }
  }
  if (std::exchange(weights_differ_, false)) {
    weights_changed_();
  }
  for (const auto& watched : pool.backends) {
    apply(*watched, now);
  }
}

void HealthMonitor::apply(Watched& watched, std::int64_t now) {
  const balance::PoolHealth& health = watched.pool.health;
  balance::BackendState& state = *watched.backend.state;
  const bool take_out = health.taken_out(watched.at);
  if (take_out != balance::is_taken_out(state)) {
    take_out ? balance::note_taken_out(state) : balance::note_brought_back(state);
  }
  const bool login_failed = !take_out && state.retry_at_ms.load(std::memory_order_relaxed) > now;
  const HealthState reached = health.state(watched.at, login_failed, now);
  const bool changed = reached != watched.state;
  if (changed) {
    report(watched, reached, now);
    watched.state = reached;
    watched.since_ms = now;
    const auto over = watched.pool.config.health->end_sessions_over;
    if (take_out && over.count() > 0) {
      end_sessions_(watched.backend.state, over);
    }
  }
  const std::lock_guard lock(mutex_);
  metrics::HealthFigures& figures = figures_[watched.figures_at];
  figures.passes = health.health(watched.at).up();
  figures.tenths = state.tenths.load(std::memory_order_relaxed);
  if (changed) {
    figures.state = balance::name(reached);
    figures.since = std::chrono::system_clock::now();
  }
}

void HealthMonitor::report(const Watched& watched, HealthState reached, std::int64_t now) {
  const log::Level level =
      reached > HealthState::kStarting ? log::Level::kWarning : log::Level::kInfo;
  if (!log::enabled(level)) {
    return;
  }
  const bool by_check = reached == HealthState::kDown || reached == HealthState::kPanic;
  const double lasted_s =
      watched.since_ms == 0 ? 0.0 : static_cast<double>(now - watched.since_ms) / 1000.0;
  const std::string_view failure =
      by_check ? dialogue::info(watched.last.failure).name : std::string_view();
  const std::string_view detail = by_check ? std::string_view(watched.last.detail) : "";
  log::write(level, "backend state",
             {{"pool", watched.pool.config.name},
              {"backend", watched.name},
              {"state", balance::name(reached)},
              {"before", balance::name(watched.state)},
              {"lasted_s", lasted_s},
              {"failure", failure},
              {"detail", detail},
              {"passing", static_cast<std::uint64_t>(watched.pool.health.passing())},
              {"backends", static_cast<std::uint64_t>(watched.pool.backends.size())}});
}

}  // namespace headgate::server
