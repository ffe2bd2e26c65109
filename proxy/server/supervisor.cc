#include "server/supervisor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/crypto.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "admin/api.h"
#include "base/log.h"
#include "base/thread_name.h"
#include "base/unique_fd.h"
#include "base/version.h"
#include "config/admin.h"
#include "net/crypto_library.h"
#include "net/record_cipher.h"
#include "server/operations/explanation.h"

namespace headgate::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kTick{1};
constexpr std::chrono::seconds kResolveEvery{30};
constexpr std::chrono::hours kWarnEvery{24};
// Users with sessions at one time that are kept together; 40 bytes each in the worst of times
// twice.
constexpr std::size_t kMaxUsers = 4'000'000;
constexpr rlim_t kDescriptorsAtOnce = 262'144;

std::int64_t now_ms() {
  return static_cast<std::int64_t>(uv_hrtime() / 1'000'000);
}

// Each session holds two descriptors; the soft limit is often far below the hard one.
// The kernel's table of them grows here, while there is one thread: later it would wait for all
// processors each time it doubles, more than 10 ms in the middle of a turn (`perf trace` of 10,000
// descriptors). A place takes 8 bytes; who needs more than these waits when it doubles again.
void make_room_for_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return;
  }
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  const auto last = static_cast<int>(std::min<rlim_t>(limit.rlim_cur, kDescriptorsAtOnce)) - 1;
  UniqueFd(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, last)).reset();
}

}  // namespace

Supervisor::Supervisor(config::Config config)
    : first_config_(std::move(config)),
      worker_count_(first_config_.workers > 0 ? first_config_.workers
                                              : std::max(1U, std::thread::hardware_concurrency())) {
  // Blocked before any thread starts, so that only wait() sees them.
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGTERM);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

Supervisor::~Supervisor() = default;

std::expected<void, std::string> Supervisor::start() {
  make_room_for_descriptors();
  for (const auto step :
       {&Supervisor::make_workers, &Supervisor::start_health, &Supervisor::start_admin}) {
    if (auto done = (this->*step)(); !done) {
      return done;
    }
  }
  operations_->begin();  // before anybody can log in who is to be held
  pool_memory_->begin();
  // Tried while there is one thread, so that no session waits for it.
  const std::string_view aes_gcm = net::record_cipher_library();
  for (const auto& worker : workers_) {
    threads_.emplace_back([&worker] { worker->run(); });
  }
  resolver_ = std::jthread([this](const std::stop_token& stop) { keep_names_fresh(stop); });
  log::info("ready", {{"workers", static_cast<std::uint64_t>(worker_count_)},
                      {"config", in_force().snapshot->config.file},
                      {"aes_gcm", aes_gcm},
                      {"x25519", net::name_of(net::x25519_way())},
                      {"version", kVersion}});
  return {};
}

// Listeners are bound and certificates loaded here, before any thread runs, so that what is wrong
// with them is an error at start.
std::expected<void, std::string> Supervisor::make_workers() {
  const std::uint64_t seed = (std::uint64_t{std::random_device{}()} << 32) | std::random_device{}();
  users_.emplace(kMaxUsers, seed);
  counts_ = std::make_shared<SessionCounts>(seed);
  waiting_room_.emplace(worker_count_, first_config_.login.max_sessions);
  auto candidate = prepare(std::move(first_config_));
  if (!candidate) {
    return std::unexpected(fmt::format("{}", fmt::join(candidate.error(), "\n")));
  }
  in_force_ = candidate->next;
  first_ = in_force_.snapshot;
  guesses_.emplace(first_->config.guessing, seed);
  auto operations = Operations::create(
      {.snapshot = [this] { return in_force().snapshot; },
       .pools = [this] { return in_force().pools; },
       .discovery = [this] { return in_force().discovery; },
       .orders_changed = [this] { return wait_until_taken(publish(std::nullopt)); },
       .status = [this] { return status(); },
       .reload = [this] { return reload_in_words(); },
       .explain = [this](const std::string& user,
                         const IpAddress& client) { return explain_login(user, client); },
       .users = &*users_,
       .workers = &workers_});
  if (!operations) {
    return std::unexpected(operations.error());
  }
  operations_ = std::move(*operations);
  pool_memory_.emplace([this] {
    const InForce now = in_force();
    return PoolMemoryFile::Kept{now.snapshot->config.admin.state_file,
                                now.sources->pool_memories()};
  });
  in_force_.pools = candidate->next.pools = operations_->apply(*first_, in_force_.resolved);
  std::vector<std::string> listeners;
  for (const config::Listener& listener : candidate->next.snapshot->config.listeners) {
    listeners.push_back(listener.name);
  }
  for (std::size_t i = 0; i < worker_count_; ++i) {
    metrics_.push_back(std::make_shared<metrics::WorkerMetrics>(listeners));
    workers_.push_back(
        std::make_unique<Worker>(Worker::Options{.index = i,
                                                 .count = worker_count_,
                                                 .first = part_of_worker(*candidate, i),
                                                 .metrics = metrics_.back(),
                                                 .workers = &workers_,
                                                 .waiting_room = &*waiting_room_,
                                                 .users = &*users_,
                                                 .guesses = &*guesses_}));
  }
  warn_of_expiry();
  return {};
}

std::expected<admin::ExplanationView, std::string> Supervisor::explain_login(
    const std::string& user, const IpAddress& client) const {
  const InForce now = in_force();
  return explain({.config = now.snapshot->config,
                  .sources = *now.sources,
                  .routing = now.snapshot->routing,
                  .placement = now.snapshot->placement,
                  .pools = now.pools,
                  .users = &*users_},
                 user, client);
}

std::expected<void, std::string> Supervisor::start_admin() {
  const config::Admin& wanted = first_->config.admin;
  if (wanted.addresses.empty()) {
    return {};
  }
  metrics::Sources sources;
  sources.workers.assign(metrics_.begin(), metrics_.end());
  sources.backends = [this] { return backend_figures(); };
  sources.health = [this] { return health_figures(); };
  sources.srv = [this] { return figures(in_force().discovery); };
  sources.users = [this] { return user_figures(); };
  sources.limits = [this] { return limit_figures(); };
  sources.user_sources = [this] { return in_force().sources->figures(); };
  sources.lookup_servers = [this] { return in_force().sources->lookup_server_figures(); };
  sources.moves = [this] { return operations_->move_figures(); };
  sources.pool_memory = [this] { return pool_memory_->figures(); };
  sources.config = [this] { return config_info(); };
  sources.guesses = [this] { return guesses_->figures(); };
  sources.certificates = [this] { return certificate_figures(); };
  sources.build = {.version = std::string(kVersion),
                   .openssl = OpenSSL_version(OPENSSL_VERSION_STRING),
                   .libuv = uv_version_string()};
  const auto counts = std::make_shared<metrics::AdminMetrics>();
  sources.admin = counts;
  auto server = admin::Server::start(
      {.addresses = wanted.addresses,
       .socket_file = {.mode = wanted.socket_mode,
                       .group = wanted.socket_group.and_then(config::group_id)},
       .metrics = std::make_shared<metrics::Collector>(std::move(sources)),
       .counts = counts,
       .readiness = [this] { return readiness(); },
       .routes = admin::api_routes(*operations_, admin::Access([this] {
         const auto now = in_force().snapshot;
         return std::shared_ptr<const admin::Access::Tokens>(now, &now->config.admin.tokens);
       }))});
  if (!server) {
    return std::unexpected(server.error());
  }
  admin_ = std::move(*server);
  for (const LocalAddress& address : admin_->addresses()) {
    log::info("admin listening", {{"address", address.to_string()}});
  }
  return {};
}

std::expected<void, std::string> Supervisor::start_health() {
  const InForce now = in_force();
  health_ = std::make_unique<HealthMonitor>(
      now.snapshot, now.resolved, [this] { std::ignore = publish(std::nullopt); },
      [this](const auto& backend, std::chrono::milliseconds over) {
        SessionSurvey::Order order;
        order.leaving = backend;
        order.leave_over = over;
        SessionSurvey::begin(std::move(order), workers_);
      });
  return {};
}

admin::StatusView Supervisor::status() const {
  using std::chrono::duration_cast;
  using std::chrono::seconds;
  const auto unix_time = [](std::chrono::system_clock::time_point at) {
    return duration_cast<seconds>(at.time_since_epoch()).count();
  };
  const admin::Readiness ready = readiness();
  const InForce now = in_force();
  admin::StatusView status{
      .version = std::string(kVersion),
      .started = unix_time(started_),
      .uptime_s = duration_cast<seconds>(std::chrono::system_clock::now() - started_).count(),
      .workers = worker_count_,
      .ready = ready.ready,
      .not_ready = ready.why,
      .config_file = now.snapshot->config.file,
      .config_hash = now.hash,
      .config_loaded = unix_time(now.loaded),
      .users = users_->stats().users,
      .sessions = {},
      .pools = {}};
  for (std::size_t phase = 0; phase < metrics::kPhaseNames.size(); ++phase) {
    std::int64_t sessions = 0;
    for (const auto& worker : metrics_) {
      for (const auto* listener = worker->first_listener(); listener != nullptr;
           listener = listener->next) {
        sessions += listener->sessions[phase].value();
      }
    }
    status.sessions.push_back({metrics::kPhaseNames[phase], sessions});
  }
  return status;
}

Supervisor::InForce Supervisor::in_force() const {
  const std::lock_guard lock(in_force_mutex_);
  return in_force_;
}

metrics::ConfigInfo Supervisor::config_info() const {
  const std::lock_guard lock(in_force_mutex_);
  return {.file = in_force_.snapshot->config.file,
          .hash = in_force_.hash,
          .loaded = in_force_.loaded,
          .reloads = reloads_};
}

std::vector<metrics::CertificateFigures> Supervisor::certificate_figures() const {
  std::vector<metrics::CertificateFigures> all;
  for (const net::CertificateFacts& one : in_force().certificates) {
    all.push_back({.file = one.file, .not_after = one.not_after});
  }
  return all;
}

std::vector<metrics::BackendFigures> Supervisor::backend_figures() const {
  const InForce now = in_force();
  std::vector<metrics::BackendFigures> all = figures(now.pools, now_ms());
  std::ranges::move(figures(departed(now.departed, now.pools), now_ms()), std::back_inserter(all));
  std::set<std::pair<std::string_view, std::string_view>> failing;
  const std::vector<metrics::HealthFigures> health = health_figures();
  for (const metrics::HealthFigures& checked : health) {
    if (!checked.passes) {
      failing.emplace(checked.pool, checked.backend);
    }
  }
  for (metrics::BackendFigures& one : all) {
    one.up = one.up && !failing.contains({one.pool, one.backend});
  }
  return all;
}

std::vector<metrics::HealthFigures> Supervisor::health_figures() const {
  return health_ ? health_->figures() : std::vector<metrics::HealthFigures>();
}

metrics::UserFigures Supervisor::user_figures() const {
  const auto stats = users_->stats();
  return {.users = stats.users,
          .away = stats.away,
          .left_behind = stats.left_behind,
          .bytes = stats.bytes,
          .overflows = stats.overflows};
}

std::vector<metrics::LimitFigures> Supervisor::limit_figures() const {
  const InForce now = in_force();
  const std::uint32_t of_user = now.snapshot->config.limits.sessions_per_user;
  const auto stats =
      of_user != 0 ? users_->stats(near_limit(of_user)) : balance::UserTable::Stats{};
  std::vector<metrics::LimitFigures> all =
      now.snapshot->limits->figures(stats.most_sessions, stats.near_limit);
  for (const auto& set : now.pools) {
    for (const balance::Backend& backend : set->backends) {
      if (backend.max_sessions != 0) {
        const auto sessions =
            static_cast<std::uint32_t>(std::max<std::int64_t>(balance::sessions_of(backend), 0));
        all.push_back({"backend", fmt::format("{}/{}", set->pool, backend.address.to_string()),
                       backend.max_sessions, sessions,
                       sessions >= near_limit(backend.max_sessions) ? 1U : 0U});
      }
    }
  }
  return all;
}

admin::Readiness Supervisor::readiness() const {
  const auto backends = backend_figures();
  const InForce now = in_force();
  for (std::size_t i = 0; i < now.pools.size(); ++i) {
    const auto& set = now.pools[i];
    const Discovered& discovered = now.discovery[i];
    if (set->backends.empty() && discovered.name.empty()) {
      continue;  // the user sources name them
    }
    if (set->backends.empty()) {
      return {.ready = false,
              .why = fmt::format("pool {}: SRV {}: {}", set->pool, discovered.name,
                                 discovered.failure)};
    }
    const bool any = std::ranges::any_of(
        backends, [&](const auto& backend) { return backend.up && backend.pool == set->pool; });
    if (!any) {
      return {.ready = false, .why = "pool " + set->pool + ": no backend is up"};
    }
  }
  return {};
}

void Supervisor::wait() {
  const timespec tick{.tv_sec = kTick.count(), .tv_nsec = 0};
  auto warn_at = Clock::now() + kWarnEvery;
  for (;;) {
    const int signal = sigtimedwait(&signals_, nullptr, &tick);
    if (signal == SIGHUP) {
      std::ignore = reload();  // the log has it
    } else if (signal > 0) {
      log::info("stopping", {{"signal", static_cast<std::int64_t>(signal)}});
      return;
    }
    let_go_of_old_sources();
    if (Clock::now() >= warn_at) {
      warn_of_expiry();
      warn_at = Clock::now() + kWarnEvery;
    }
  }
}

void Supervisor::warn_of_expiry() const {
  for (const std::string& line :
       expiry_warnings(in_force().certificates, std::chrono::system_clock::now())) {
    log::warning("certificate near its end", {{"certificate", line}});
  }
}

// On a thread of its own, since a resolver may take its time.
void Supervisor::keep_names_fresh(const std::stop_token& stop) {
  name_this_thread("names");
  std::mutex mutex;
  std::condition_variable_any never;
  auto resolve_at = Clock::now() + kResolveEvery;
  while (!stop.stop_requested()) {
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, kTick, [] { return false; });
    const bool addresses = Clock::now() >= resolve_at;
    if (addresses) {
      resolve_at = Clock::now() + kResolveEvery;
    }
    resolve_again(addresses, stop);
  }
}

// Asks for the pools whose SRV records are due, and for all addresses when that is wanted or the
// backends have changed. Nobody waits for it: what a reload has found out meanwhile is newer.
void Supervisor::resolve_again(bool addresses, const std::stop_token& stop) {
  const InForce now = in_force();
  const config::Config& config = now.snapshot->config;
  Discovery discovery = discover(config, now.discovery, Ask::kDue, stop);
  if (addresses) {
    now.sources->resolve();
  }
  Pools fresh = now.resolved;
  if (addresses || !same_backends(discovery, now.discovery)) {
    fresh = fresh_pools(config, discovery, now, stop);
  }
  const std::lock_guard lock(changes_mutex_);
  if (stop.stop_requested() || in_force().snapshot != now.snapshot) {
    return;
  }
  {
    const std::lock_guard in_force_lock(in_force_mutex_);
    in_force_.discovery = std::move(discovery);
  }
  if (!same_addresses(fresh, now.resolved)) {
    std::ignore = publish(fresh);
    health_->update(now.snapshot, std::move(fresh));
    log::info("backend addresses changed");
  }
}

// Once the last login that asks them is over.
void Supervisor::let_go_of_old_sources() {
  const std::lock_guard lock(changes_mutex_);
  std::erase_if(old_sources_, [](const auto& sources) { return sources.use_count() == 1; });
}

void Supervisor::stop() {
  resolver_.request_stop();
  {
    const std::lock_guard lock(changes_mutex_);  // a reload under way ends first
    stopping_ = true;
  }
  if (health_) {
    health_->stop();  // it talks to the workers; scrapes read its figures
  }
  for (const auto& worker : workers_) {
    worker->post(Stop{});
  }
  for (std::thread& thread : threads_) {
    thread.join();
  }
  if (pool_memory_) {
    pool_memory_->end();  // nobody logs in any more
  }
  resolver_ = {};  // it may have waited for an answer until now, while sessions ended
  admin_.reset();  // scrapes read the workers' counters
  operations_.reset();
  workers_.clear();
  log::info("stopped");
}

}  // namespace headgate::server
