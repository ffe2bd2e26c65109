#include "server/session/ready_connections.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/log.h"
#include "dialogue/failure.h"
#include "server/worker.h"

namespace headgate::server {
namespace {

// How often it is seen to that each backend has what it should have.
constexpr std::uint64_t kRoundMs = 1000;
// After one that did not become ready the next is made after so long; doubles with each in a row.
constexpr std::uint64_t kPauseMs = 1000;
constexpr std::uint64_t kLongestPauseMs = 30000;

// Those made together should not end together.
std::uint64_t spread(std::uint64_t time_ms, std::uint64_t random) {
  return time_ms - time_ms * (random % 1024) / 10240;
}

const Endpoint& address_of(const balance::Backend& backend) {
  return backend.endpoints[balance::first_address(backend)];
}

bool deserves(const balance::Backend& backend, std::int64_t now_ms) {
  return backend.weight > 0 && balance::is_up(backend, now_ms);
}

}  // namespace

struct ReadyConnections::Waiting {
  Waiting(ReadyConnections& all, Shelf& its_shelf, const Endpoint& its_address)
      : home(all),
        shelf(its_shelf),
        address(its_address),
        timer(this, &ReadyConnections::on_timer) {}

  ReadyConnections& home;
  Shelf& shelf;
  const Endpoint address;
  std::unique_ptr<BackendLeg> leg;
  net::Timer timer;  // until it must be ready, then until it has waited long enough
  bool ready = false;
};

struct ReadyConnections::Shelf {
  Shelf(std::size_t its_pool, balance::Backend its_backend)
      : pool(its_pool), backend(std::move(its_backend)) {}

  const std::size_t pool;
  balance::Backend backend;
  std::vector<std::unique_ptr<Waiting>> waiting;  // the oldest first
  bool taken_from = false;
  std::size_t addresses_failed = 0;  // in a row
  std::uint64_t pause_ms = 0;        // 0: the last one became ready
  std::uint64_t next_at_ms = 0;
};

ReadyConnections::ReadyConnections(Worker& worker) : worker_(worker), round_(this, &on_round) {}
ReadyConnections::~ReadyConnections() = default;

void ReadyConnections::start(std::shared_ptr<const Generation> generation) {
  clear();
  generation_ = std::move(generation);
  const auto& pools = generation_->terms->snapshot->config.pools;
  pools_.resize(pools.size());
  if (std::ranges::any_of(pools, [](const auto& pool) { return pool.ready_connections > 0; })) {
    worker_.timers().arm(round_, 0);
  }
}

void ReadyConnections::stop() {
  clear();
  generation_ = nullptr;
}

void ReadyConnections::clear() {
  round_.cancel();
  taken_from_.clear();
  pools_.clear();
  worker_.metrics().ready_connections.set(0);
}

const config::Pool& ReadyConnections::config_of(std::size_t pool) const {
  return generation_->terms->snapshot->config.pools[pool];
}

void ReadyConnections::on_round(void* self) noexcept {
  static_cast<ReadyConnections*>(self)->round();
}

void ReadyConnections::round() {
  for (std::size_t pool = 0; pool < pools_.size(); ++pool) {
    if (config_of(pool).ready_connections > 0) {
      tend(pool, *generation_->pools[pool]);
    }
  }
  worker_.timers().arm(round_, kRoundMs);
}

void ReadyConnections::tend(std::size_t pool, const balance::BackendSet& set) {
  Shelves& shelves = pools_[pool];
  const auto now = static_cast<std::int64_t>(worker_.loop().now_ms());
  Shelves kept;
  for (const balance::Backend& backend : set.backends) {
    if (!deserves(backend, now)) {
      continue;
    }
    auto known = shelves.extract(backend.hash);
    if (known) {
      known.mapped()->backend = backend;
      drop_others(*known.mapped());
      kept.insert(std::move(known));
    } else {
      kept.emplace(backend.hash, std::make_unique<Shelf>(pool, backend));
    }
  }
  for (const auto& [hash, shelf] : shelves) {
    std::erase(taken_from_, shelf.get());
    count(-std::ranges::count_if(shelf->waiting, [](const auto& one) { return one->ready; }));
  }
  shelves = std::move(kept);
  for (const auto& [hash, shelf] : shelves) {
    fill(*shelf);
  }
}

// Those to an address that logins do not begin with any more.
void ReadyConnections::drop_others(Shelf& shelf) {
  std::erase_if(shelf.waiting, [&](const auto& one) {
    const bool other = one->address != address_of(shelf.backend);
    count(other && one->ready ? -1 : 0);
    return other;
  });
}

void ReadyConnections::fill(Shelf& shelf) {
  const config::Pool& pool = config_of(shelf.pool);
  for (std::size_t there = shelf.waiting.size(); there < pool.ready_connections; ++there) {
    const std::uint64_t now = worker_.loop().now_ms();
    if (now < shelf.next_at_ms || !deserves(shelf.backend, static_cast<std::int64_t>(now))) {
      return;
    }
    auto& waiting = *shelf.waiting.emplace_back(
        std::make_unique<Waiting>(*this, shelf, address_of(shelf.backend)));
    waiting.leg = worker_.new_backend_leg(*generation_, shelf.pool, shelf.backend, waiting.address,
                                          {.mode = pool.tls}, &waiting, &on_ready);
    worker_.timers().arm(waiting.timer, net::to_ms(pool.connect_timeout));
    after(waiting, waiting.leg->start(std::nullopt));
  }
}

void ReadyConnections::on_ready(void* waiting, unsigned /*ready*/) noexcept {
  auto& self = *static_cast<Waiting*>(waiting);
  self.home.after(self, self.leg->on_ready());
}

void ReadyConnections::after(Waiting& waiting, BackendLeg::Status status) {
  BackendLeg& leg = *waiting.leg;
  if (leg.take_handshake_done()) {
    worker_.metrics().count_handshake(metrics::Side::kBackend, leg.tls_version(),
                                      leg.handshake_ok(), leg.tls_resumed());
  }
  if (status == BackendLeg::Status::kFailed) {
    failed(waiting);
    remove(waiting);
  } else if (status == BackendLeg::Status::kReady && !std::exchange(waiting.ready, true)) {
    count(1);
    waiting.shelf.pause_ms = 0;
    waiting.shelf.addresses_failed = 0;
    const config::Pool& pool = config_of(waiting.shelf.pool);
    worker_.timers().arm(waiting.timer, spread(net::to_ms(pool.ready_for), worker_.random()));
  }
}

// A backend may close what waits as it likes. One that cannot even greet has failed, and counts as
// if a login had found that out.
void ReadyConnections::failed(Waiting& waiting) {
  if (waiting.ready) {
    worker_.metrics().count(metrics::ReadyConnection::kClosed);
    return;
  }
  worker_.metrics().count(metrics::ReadyConnection::kFailed);
  const dialogue::FailureInfo& info = dialogue::info(waiting.leg->failure());
  Shelf& shelf = waiting.shelf;
  const std::uint64_t now = worker_.loop().now_ms();
  if (address_of(shelf.backend) != waiting.address) {
    return;  // others have found out already
  }
  balance::note_address_failed(shelf.backend, waiting.address);
  shelf.addresses_failed = (shelf.addresses_failed + 1) % shelf.backend.endpoints.size();
  if (shelf.addresses_failed == 0 && dialogue::blames_backend(info)) {
    const config::Pool& pool = config_of(shelf.pool);
    balance::note_failure(*shelf.backend.state, static_cast<std::int64_t>(now),
                          pool.retry_after.count(), worker_.random());
  }
  if (now < shelf.next_at_ms) {
    return;  // made together with another one that failed
  }
  if (shelf.addresses_failed == 0) {
    shelf.pause_ms = std::clamp(2 * shelf.pause_ms, kPauseMs, kLongestPauseMs);
    shelf.next_at_ms = now + shelf.pause_ms;
  }
  const std::string backend = shelf.backend.address.to_string();
  const std::string address = waiting.address.to_string();
  log::warning("no ready connection", {{"pool", config_of(shelf.pool).name},
                                       {"backend", backend},
                                       {"address", address},
                                       {"failure", info.name},
                                       {"detail", waiting.leg->detail()},
                                       {"backend_state", waiting.leg->state_name()}});
}

void ReadyConnections::on_timer(void* waiting) noexcept {
  auto& self = *static_cast<Waiting*>(waiting);
  ReadyConnections& home = self.home;
  if (!self.ready) {
    self.leg->time_out();
    home.after(self, BackendLeg::Status::kFailed);
    return;
  }
  home.worker_.metrics().count(metrics::ReadyConnection::kExpired);
  Shelf& shelf = self.shelf;
  home.remove(self);
  home.fill(shelf);
}

void ReadyConnections::remove(Waiting& waiting) {
  count(waiting.ready ? -1 : 0);
  std::erase_if(waiting.shelf.waiting, [&](const auto& one) { return one.get() == &waiting; });
}

std::unique_ptr<BackendLeg> ReadyConnections::take(const Generation& generation, std::size_t pool,
                                                   const balance::Backend& backend,
                                                   const Endpoint& endpoint) {
  if (&generation != generation_.get() || config_of(pool).ready_connections == 0) {
    return nullptr;
  }
  const auto found = pools_[pool].find(backend.hash);
  const auto now = static_cast<std::int64_t>(worker_.loop().now_ms());
  if (found != pools_[pool].end() && balance::is_up(backend, now)) {
    Shelf& shelf = *found->second;
    const auto one = std::ranges::find_if(
        shelf.waiting, [&](const auto& at) { return at->ready && at->address == endpoint; });
    if (!std::exchange(shelf.taken_from, true)) {
      taken_from_.push_back(&shelf);
    }
    if (one != shelf.waiting.end()) {
      std::unique_ptr<BackendLeg> leg = std::move((*one)->leg);
      shelf.waiting.erase(one);
      count(-1);
      worker_.metrics().count(metrics::ReadyConnection::kUsed);
      return leg;
    }
  }
  worker_.metrics().count(metrics::ReadyConnection::kMissed);
  return nullptr;
}

void ReadyConnections::replace_taken() {
  // One that fails at once does not come back here before the next turn.
  if (taken_from_.empty()) {
    return;
  }
  for (Shelf* shelf : std::exchange(taken_from_, {})) {
    shelf->taken_from = false;
    fill(*shelf);
  }
}

void ReadyConnections::count(std::int64_t change) {
  worker_.metrics().ready_connections.add(change);
}

}  // namespace headgate::server
