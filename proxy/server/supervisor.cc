#include "server/supervisor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/resource.h>
#include <uv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <random>
#include <utility>

#include "base/log.h"
#include "base/version.h"
#include "net/socket.h"
#include "server/user_sources.h"

namespace headgate::server {
namespace {

constexpr std::chrono::seconds kResolveEvery{30};
// Users with sessions at one time that are kept together; 40 bytes each in the worst of times
// twice.
constexpr std::size_t kMaxUsers = 4'000'000;

std::int64_t now_ms() {
  return static_cast<std::int64_t>(uv_hrtime() / 1'000'000);
}

// Each session holds two descriptors; the soft limit is often far below the hard one.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

// The first 16 hexadecimal digits of a file's SHA-256: tells configurations apart on a dashboard.
std::string digest(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), hash.data(), &size, EVP_sha256(), nullptr);
  return fmt::format("{:02x}", fmt::join(hash.begin(), hash.begin() + 8, ""));
}

}  // namespace

Supervisor::Supervisor(config::Config config)
    : config_(std::move(config)),
      worker_count_(config_.workers > 0 ? config_.workers
                                        : std::max(1U, std::thread::hardware_concurrency())) {
  // Blocked before any thread starts, so that only wait() sees them.
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGTERM);
  sigaddset(&signals_, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

Supervisor::~Supervisor() = default;

std::expected<void, std::string> Supervisor::start() {
  raise_descriptor_limit();
  for (const auto step : {&Supervisor::make_snapshot, &Supervisor::make_workers,
                          &Supervisor::start_health, &Supervisor::start_admin}) {
    if (auto done = (this->*step)(); !done) {
      return done;
    }
  }
  for (const auto& worker : workers_) {
    threads_.emplace_back([&worker] { worker->run(); });
  }
  log::info("ready", {{"workers", static_cast<std::uint64_t>(worker_count_)},
                      {"config", snapshot_->config.file},
                      {"version", kVersion}});
  return {};
}

std::expected<void, std::string> Supervisor::make_snapshot() {
  auto loaded = auth::SharedSources::load(source_options(config_));
  if (!loaded) {
    return std::unexpected(fmt::format("{}", fmt::join(loaded.error(), "\n")));
  }
  sources_.emplace(std::move(*loaded));

  auto snapshot = std::make_shared<Snapshot>();
  snapshot->config = std::move(config_);
  config_hash_ = digest(snapshot->config.file);
  for (const config::Listener& listener : snapshot->config.listeners) {
    snapshot->protocols.push_back(make_imap(listener, snapshot->config.login));
  }
  snapshot->routing = std::make_unique<Routing>(snapshot->config);
  snapshot->placement = std::make_unique<Placement>(snapshot->config);
  snapshot->ticket_keys = net::make_ticket_keys();
  pools_ = make_pools(snapshot->config, {});
  snapshot_ = std::move(snapshot);
  return {};
}

// Every worker gets a socket of its own for each address; the kernel spreads connections over them.
// All are bound here, before any thread runs, so that a port in use is an error at start.
std::expected<std::vector<std::vector<UniqueFd>>, std::string> Supervisor::bind_listeners() {
  std::vector<std::vector<UniqueFd>> sockets(worker_count_);
  for (const config::Listener& listener : snapshot_->config.listeners) {
    Endpoint address = listener.address;
    for (std::vector<UniqueFd>& of_worker : sockets) {
      auto fd = net::listen_tcp(address, listener.backlog);
      if (!fd) {
        return std::unexpected("listener " + listener.name + ": " + fd.error());
      }
      net::tune(fd->get(),
                {.idle_s = static_cast<unsigned>(snapshot_->config.relay.keepalive.count())});
      address = net::local_endpoint(fd->get());  // port 0: the first one chose for all
      of_worker.push_back(std::move(*fd));
    }
    const std::string text = address.to_string();
    log::info(
        "listening",
        {{"listener", listener.name}, {"address", text}, {"tls", config::name(listener.tls)}});
  }
  return sockets;
}

std::expected<void, std::string> Supervisor::make_workers() {
  auto sockets = bind_listeners();
  if (!sockets) {
    return std::unexpected(sockets.error());
  }
  waiting_room_.emplace(worker_count_, snapshot_->config.login.max_sessions);
  const std::uint64_t seed = (std::uint64_t{std::random_device{}()} << 32) | std::random_device{}();
  users_.emplace(kMaxUsers, seed);
  limits_.emplace(snapshot_->config, seed);
  std::vector<std::string> listeners;
  for (const config::Listener& listener : snapshot_->config.listeners) {
    listeners.push_back(listener.name);
  }
  for (std::size_t i = 0; i < worker_count_; ++i) {
    metrics_.push_back(std::make_shared<metrics::WorkerMetrics>(listeners));
    auto worker = Worker::create({.index = i,
                                  .snapshot = snapshot_,
                                  .pools = pools_,
                                  .sources = &*sources_,
                                  .listeners = std::move((*sockets)[i]),
                                  .metrics = metrics_.back(),
                                  .workers = &workers_,
                                  .waiting_room = &*waiting_room_,
                                  .users = &*users_,
                                  .limits = &*limits_});
    if (!worker) {
      return std::unexpected(worker.error());
    }
    workers_.push_back(std::move(*worker));
  }
  return {};
}

std::expected<void, std::string> Supervisor::start_admin() {
  if (!snapshot_->config.admin.address) {
    return {};
  }
  metrics::Sources sources;
  sources.workers.assign(metrics_.begin(), metrics_.end());
  sources.backends = [this] { return backend_figures(); };
  sources.health = [this] { return health_figures(); };
  sources.users = [this] { return user_figures(); };
  sources.limits = [this] { return limit_figures(); };
  sources.user_sources = [this] { return sources_->figures(); };
  sources.config = [this] {
    return metrics::ConfigInfo{
        .file = snapshot_->config.file, .hash = config_hash_, .loaded = loaded_};
  };
  sources.build = {.version = std::string(kVersion),
                   .openssl = OpenSSL_version(OPENSSL_VERSION_STRING),
                   .libuv = uv_version_string()};
  auto server =
      admin::Server::start({.address = *snapshot_->config.admin.address,
                            .metrics = std::make_shared<metrics::Collector>(std::move(sources)),
                            .readiness = [this] { return readiness(); },
                            .routes = {}});
  if (!server) {
    return std::unexpected(server.error());
  }
  admin_ = std::move(*server);
  const std::string address = admin_->endpoint().to_string();
  log::info("admin listening", {{"address", address}});
  return {};
}

std::expected<void, std::string> Supervisor::start_health() {
  if (HealthMonitor::is_wanted(snapshot_->config)) {
    health_ = std::make_unique<HealthMonitor>(
        snapshot_, pools_, [this] { publish(std::nullopt); },
        [this](const auto& backend, std::chrono::milliseconds over) {
          for (const auto& worker : workers_) {
            worker->post(EndSessionsAt{backend, over});
          }
        });
  }
  return {};
}

Pools Supervisor::pools() const {
  const std::lock_guard lock(pools_mutex_);
  return pools_;
}

std::vector<metrics::BackendFigures> Supervisor::backend_figures() const {
  auto all = figures(pools(), now_ms());
  for (const metrics::HealthFigures& checked : health_figures()) {
    const auto found = std::ranges::find_if(all, [&](const auto& one) {
      return one.pool == checked.pool && one.backend == checked.backend;
    });
    if (found != all.end()) {
      found->up = found->up && checked.passes;
    }
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
  const std::uint32_t of_user = snapshot_->config.limits.sessions_per_user;
  const auto stats =
      of_user != 0 ? users_->stats(near_limit(of_user)) : balance::UserTable::Stats{};
  std::vector<metrics::LimitFigures> all = limits_->figures(stats.most_sessions, stats.near_limit);
  for (const auto& set : pools()) {
    for (const balance::Backend& backend : set->backends) {
      if (backend.max_sessions != 0) {
        const auto now =
            static_cast<std::uint32_t>(std::max<std::int64_t>(balance::sessions_of(backend), 0));
        all.push_back({"backend", fmt::format("{}/{}", set->pool, backend.address.to_string()),
                       backend.max_sessions, now,
                       now >= near_limit(backend.max_sessions) ? 1U : 0U});
      }
    }
  }
  return all;
}

admin::Readiness Supervisor::readiness() const {
  const auto backends = backend_figures();
  for (const auto& set : pools()) {
    const bool any = std::ranges::any_of(
        backends, [&](const auto& backend) { return backend.up && backend.pool == set->pool; });
    if (!any) {
      return {.ready = false, .why = "pool " + set->pool + ": no backend is up"};
    }
  }
  return {};
}

void Supervisor::wait() {
  const timespec interval{.tv_sec = kResolveEvery.count(), .tv_nsec = 0};
  for (;;) {
    const int signal = sigtimedwait(&signals_, nullptr, &interval);
    if (signal > 0) {
      log::info("stopping", {{"signal", static_cast<std::int64_t>(signal)}});
      return;
    }
    if (errno == EAGAIN) {
      resolve_again();
    }
  }
}

void Supervisor::resolve_again() {
  const Pools known = pools();
  Pools fresh = make_pools(snapshot_->config, known);
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    auto set = std::make_shared<balance::BackendSet>(*fresh[i]);
    for (std::size_t j = 0; j < set->backends.size(); ++j) {
      // A resolver that fails for a moment must not take a backend away.
      if (set->backends[j].endpoints.empty()) {
        set->backends[j].endpoints = known[i]->backends[j].endpoints;
      }
    }
    fresh[i] = std::move(set);
  }
  if (same_addresses(fresh, known)) {
    return;
  }
  publish(fresh);
  if (health_) {
    health_->update(snapshot_, std::move(fresh));
  }
  log::info("backend addresses changed");
}

// Gives the workers these sets, or those in force, with the weights as they count at this moment.
void Supervisor::publish(std::optional<Pools> fresh) {
  const std::lock_guard lock(pools_mutex_);
  Pools sets = fresh ? std::move(*fresh) : pools_;
  for (auto& set : sets) {
    auto prepared = std::make_shared<balance::BackendSet>(*set);
    balance::prepare(*prepared);
    set = std::move(prepared);
  }
  pools_ = sets;
  for (const auto& worker : workers_) {
    worker->post(NewPools{sets});
  }
}

void Supervisor::stop() {
  if (health_) {
    health_->stop();  // it talks to the workers; scrapes read its figures
  }
  for (const auto& worker : workers_) {
    worker->post(Stop{});
  }
  for (std::thread& thread : threads_) {
    thread.join();
  }
  admin_.reset();  // scrapes read the workers' counters
  workers_.clear();
  log::info("stopped");
}

}  // namespace headgate::server
