#include "server/operations/operations.h"

#include <fmt/format.h>
#include <uv.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <utility>

#include "base/log.h"
#include "base/thread_name.h"
#include "base/unix_time.h"
#include "server/operations/session_survey.h"
#include "server/state_file.h"

namespace headgate::server {
namespace {

using namespace std::chrono_literals;
using admin::BackendChange;
using admin::Problem;
using balance::Service;

constexpr auto kTick = 200ms;             // between two shares of sessions that are ended
constexpr auto kListingMayTake = 5000ms;  // far more than it does
constexpr auto kKickMayTake = 60'000ms;

std::uint64_t now_ms() {
  return uv_hrtime() / 1'000'000;
}

const balance::BackendSet* find_pool(const Pools& pools, const std::string& pool) {
  const auto found =
      std::ranges::find_if(pools, [&](const auto& set) { return set->pool == pool; });
  return found == pools.end() ? nullptr : found->get();
}

const balance::Backend* find_backend(const balance::BackendSet& set, const HostPort& address) {
  const auto found = std::ranges::find(set.backends, address, &balance::Backend::address);
  return found == set.backends.end() ? nullptr : &*found;
}

// As the configuration says, or DNS.
const config::Backend* find_configured(const config::Config& config, const Discovery& discovery,
                                       const std::string& pool, const HostPort& address) {
  const auto of_name = std::ranges::find(config.pools, pool, &config::Pool::name);
  if (of_name == config.pools.end()) {
    return nullptr;
  }
  const auto discovered = std::ranges::find(discovery, pool, &Discovered::pool);
  const auto& backends =
      of_name->srv && discovered != discovery.end() ? discovered->backends : of_name->backends;
  const auto found = std::ranges::find(backends, address, &config::Backend::address);
  return found == backends.end() ? nullptr : &*found;
}

bool gets_new_users(const balance::Slot& slot) {
  return slot.kind == balance::Slot::Kind::kOrdinary || slot.kind == balance::Slot::Kind::kBackup;
}

// Until the last session is gone: by the rate that is kept to, else by how many have gone since.
std::optional<std::int64_t> seconds_left(const BackendOrder& order, std::int64_t sessions) {
  if (sessions == 0) {
    return 0;
  }
  if (order.rate != 0) {
    return (sessions + order.rate - 1) / order.rate;
  }
  const std::int64_t gone = order.sessions - sessions;
  if (order.since_ms == 0 || gone <= 0) {
    return std::nullopt;
  }
  const auto passed_ms = static_cast<std::int64_t>(now_ms() - order.since_ms);
  return sessions * passed_ms / gone / 1000;
}

admin::OrderView view_of(const BackendOrder& order, std::int64_t sessions) {
  admin::OrderView view{
      .by = order.by, .since = order.since, .rate = order.rate, .left_s = std::nullopt};
  if (order.service != Service::kIn) {
    view.left_s = seconds_left(order, sessions);
  }
  return view;
}

admin::BackendView view_of(const balance::BackendSet& set, const balance::Backend& backend,
                           const config::Backend* configured, const BackendOrder* order) {
  const std::int64_t sessions = balance::sessions_of(backend);
  admin::BackendView view{
      .pool = set.pool,
      .backend = backend.address.to_string(),
      .service = name(backend.service),
      .up = balance::is_up(backend, static_cast<std::int64_t>(now_ms())),
      .weight = backend.weight,
      .configured_weight = configured != nullptr ? configured->weight : backend.weight,
      .sessions = sessions,
      .max_sessions = backend.max_sessions,
      .failures = backend.state->failures.load(std::memory_order_relaxed),
      .failures_in_a_row = backend.state->failures_in_a_row.load(std::memory_order_relaxed),
      .backup = backend.backup,
      .addresses = {},
      .order = {}};
  for (const Endpoint& endpoint : backend.endpoints) {
    view.addresses.push_back(endpoint.to_string());
  }
  if (order != nullptr) {
    view.order = view_of(*order, sessions);
  }
  return view;
}

void add_warning(std::string& all, std::string_view one) {
  all += all.empty() || one.empty() ? "" : "; ";
  all += one;
}

struct State {
  Orders orders;
  MoveLog moves;
};

std::expected<State, std::string> read_orders(const std::string& file) {
  if (file.empty()) {
    return State();
  }
  const auto text = read_state(file);
  if (!text) {
    return std::unexpected("admin.state_file: " + text.error());
  }
  if (!*text) {
    return State();
  }
  auto orders = Orders::from_json(**text);
  auto moves = orders ? MoveLog::from_json(**text) : std::unexpected(orders.error());
  if (!moves) {
    return std::unexpected(
        fmt::format("admin.state_file: {}: {}; without the file all backends are in service", file,
                    moves.error()));
  }
  return State{*std::move(orders), *std::move(moves)};
}

}  // namespace

std::expected<std::unique_ptr<Operations>, std::string> Operations::create(
    Surroundings surroundings) {
  auto orders = read_orders(surroundings.snapshot()->config.admin.state_file);
  if (!orders) {
    return std::unexpected(orders.error());
  }
  for (const auto& [key, order] : orders->orders.all()) {
    log::info("operator's order restored", {{"pool", key.first},
                                            {"backend", key.second},
                                            {"service", name(order.service)},
                                            {"token", order.by}});
  }
  return std::unique_ptr<Operations>(
      new Operations(std::move(surroundings), std::move(orders->orders), std::move(orders->moves)));
}

Operations::Operations(Surroundings surroundings, Orders orders, MoveLog moves)
    : around_(std::move(surroundings)), orders_(std::move(orders)) {
  mover_.emplace(mover_surroundings(), std::move(moves));
}

Operations::~Operations() = default;

void Operations::begin() {
  renew_leaving();
  mover_->begin();
  pacer_ = std::jthread([this](const std::stop_token& stop) { pace(stop); });
}

Pools Operations::apply(const Snapshot& snapshot, const Pools& resolved) const {
  const std::lock_guard lock(mutex_);
  return orders_.apply(resolved, [&](std::size_t pool, std::string_view user) {
    return snapshot.placement.identity(pool, user);
  });
}

std::vector<admin::BackendView> Operations::backends() {
  const auto snapshot = around_.snapshot();
  const Pools pools = around_.pools();
  const Discovery discovery = around_.discovery();
  std::vector<admin::BackendView> views;
  const std::lock_guard lock(mutex_);
  for (const auto& set : pools) {
    for (const balance::Backend& backend : set->backends) {
      views.push_back(view_of(
          *set, backend, find_configured(snapshot->config, discovery, set->pool, backend.address),
          orders_.find(set->pool, backend.address.to_string())));
    }
  }
  return views;
}

std::expected<admin::SessionPage, Problem> Operations::sessions(const admin::SessionQuery& query) {
  if (const auto known = check(query.filter); !known) {
    return std::unexpected(known.error());
  }
  SessionSurvey::Order order;
  order.filter = query.filter;
  order.rows = query.limit + 1;  // whether there are more
  order.after = query.after;
  auto outcome = SessionSurvey::run(std::move(order), *around_.workers, kListingMayTake);
  if (!outcome.complete) {
    return std::unexpected(Problem{503, "a worker has not answered; it is busy or stopping"});
  }
  admin::SessionPage page;
  for (auto& [id, session] : outcome.rows) {
    if (page.sessions.size() == query.limit) {
      page.more = true;
      break;
    }
    page.sessions.push_back(std::move(session));
  }
  return page;
}

std::expected<std::size_t, Problem> Operations::kick(const admin::SessionFilter& filter,
                                                     const std::string& by) {
  if (const auto known = check(filter); !known) {
    return std::unexpected(known.error());
  }
  SessionSurvey::Order order;
  order.filter = filter;
  order.reason = dialogue::CloseReason::kKicked;
  order.detail = "by " + by;
  const auto outcome = SessionSurvey::run(std::move(order), *around_.workers, kKickMayTake);
  if (!outcome.complete) {
    return std::unexpected(Problem{
        503, fmt::format("a worker has not answered; {} sessions were ended", outcome.ended)});
  }
  return outcome.ended;
}

// What the order for a backend is after a change.
BackendOrder Operations::ordered(const BackendOrder* before, const balance::Backend& backend,
                                 const BackendChange& change, const std::string& by) const {
  BackendOrder order = before != nullptr ? *before : BackendOrder();
  order.by = by;
  if (change.what == BackendChange::What::kWeight) {
    order.weight = change.weight;
    order.since = order.since != 0 ? order.since : unix_seconds();
    return order;
  }
  order.since = unix_seconds();
  order.since_ms = now_ms();
  order.sessions = balance::sessions_of(backend);
  order.rate = 0;
  const unsigned rate = change.rate.value_or(around_.snapshot()->config.admin.move_rate);
  switch (change.what) {
    case BackendChange::What::kDrain:
      order.service = Service::kDraining;
      break;
    case BackendChange::What::kMove:
      order.service = Service::kMoving;
      order.rate = rate;
      break;
    case BackendChange::What::kDisable:
      order.service = Service::kDisabled;
      order.rate = rate;
      break;
    case BackendChange::What::kEnable:
      order.service = Service::kIn;
      break;
    case BackendChange::What::kWeight:
      break;
  }
  return order;
}

// Empty, or why the orders will not survive a restart.
std::string Operations::keep(const Orders& orders) const {
  const auto snapshot = around_.snapshot();
  const std::string& file = snapshot->config.admin.state_file;
  if (file.empty()) {
    return "this ends with the process: admin.state_file is not set";
  }
  std::string state;
  mover_->look([&](const MoveLog& moves) { state = orders.to_json(moves); });
  if (const auto written = write_state(file, state); !written) {
    log::error("state file not written", {{"error", written.error()}});
    return "this ends with the process: " + written.error();
  }
  return {};
}

std::expected<admin::Changed, Problem> Operations::change(const std::string& pool,
                                                          const HostPort& address,
                                                          const BackendChange& change,
                                                          const std::string& by) {
  const std::lock_guard one_at_a_time(changing_);
  const Pools pools = around_.pools();
  const balance::BackendSet* set = find_pool(pools, pool);
  if (set == nullptr) {
    return std::unexpected(Problem{404, "there is no pool " + pool});
  }
  const balance::Backend* backend = find_backend(*set, address);
  const std::string name = address.to_string();
  if (backend == nullptr) {
    return std::unexpected(Problem{404, fmt::format("pool {} has no backend {}", pool, name)});
  }
  Orders orders;
  {
    const std::lock_guard lock(mutex_);
    orders_.set(pool, name, ordered(orders_.find(pool, name), *backend, change, by));
    orders = orders_;
  }
  admin::Changed changed{.backend = {}, .warning = keep(orders)};
  add_warning(changed.warning, around_.orders_changed());
  renew_leaving();
  const Pools after = around_.pools();
  set = find_pool(after, pool);
  if (set == nullptr || find_backend(*set, address) == nullptr) {
    return std::unexpected(Problem{404, "the backend has gone with a reload meanwhile"});
  }
  if (std::ranges::none_of(set->slots, gets_new_users)) {
    add_warning(changed.warning, fmt::format("no backend of pool {} takes new users now", pool));
  }
  const auto snapshot = around_.snapshot();
  changed.backend = view_of(*set, *find_backend(*set, address),
                            find_configured(snapshot->config, around_.discovery(), pool, address),
                            orders.find(pool, name));
  return changed;
}

admin::PinPage Operations::pins(const admin::PinQuery& query) {
  const std::lock_guard lock(mutex_);
  admin::PinPage page;
  const auto& all = orders_.pins();
  for (auto at = all.upper_bound({query.pool, query.user}); at != all.end(); ++at) {
    if (page.pins.size() == query.limit) {
      page.more = true;
      break;
    }
    page.pins.push_back({.pool = at->first.first,
                         .user = at->first.second,
                         .backend = at->second.backend,
                         .since = at->second.since,
                         .by = at->second.by});
  }
  return page;
}

std::expected<admin::Pinned, Problem> Operations::pin(const std::string& pool,
                                                      const std::string& user,
                                                      const HostPort& backend,
                                                      const std::string& by) {
  const std::lock_guard one_at_a_time(changing_);
  const Pools pools = around_.pools();
  const balance::BackendSet* set = find_pool(pools, pool);
  const std::string name = backend.to_string();
  if (set == nullptr || find_backend(*set, backend) == nullptr) {
    return std::unexpected(
        Problem{404, fmt::format("there is no backend {} in a pool {}", name, pool)});
  }
  const UserPin pin{.backend = name, .since = unix_seconds(), .by = by};
  Orders orders;
  {
    const std::lock_guard lock(mutex_);
    if (!orders_.pin(pool, user, pin)) {
      return std::unexpected(
          Problem{409, fmt::format("there are {} pins already", Orders::kMostPins)});
    }
    orders = orders_;
  }
  admin::Pinned pinned{
      .pin = {.pool = pool, .user = user, .backend = name, .since = pin.since, .by = by},
      .warning = keep(orders)};
  add_warning(pinned.warning, around_.orders_changed());
  return pinned;
}

std::pair<std::size_t, std::string> Operations::unpin(const std::string& user) {
  const std::lock_guard one_at_a_time(changing_);
  std::size_t gone = 0;
  Orders orders;
  {
    const std::lock_guard lock(mutex_);
    orders = orders_;
    for (const auto& [key, pin] : orders.pins()) {
      gone += key.second == user && orders_.unpin(key.first, user) ? 1U : 0U;
    }
    orders = orders_;
  }
  if (gone == 0) {
    return {0, ""};
  }
  std::string warning = keep(orders);
  add_warning(warning, around_.orders_changed());
  return {gone, std::move(warning)};
}

void Operations::renew_leaving() {
  const Pools pools = around_.pools();
  const std::lock_guard lock(mutex_);
  std::vector<Leaving> leaving;
  constexpr auto kNever = std::numeric_limits<std::uint64_t>::max();
  const auto login_takes = static_cast<std::uint64_t>(
      std::chrono::milliseconds(around_.snapshot()->config.login.timeout).count());
  for (const auto& set : pools) {
    for (const balance::Backend& backend : set->backends) {
      const BackendOrder* order = orders_.find(set->pool, backend.address.to_string());
      // After a restart nobody is left whom an order to move meant.
      const bool moving =
          order != nullptr && order->service == Service::kMoving && order->since_ms != 0;
      if (order == nullptr || (!moving && order->service != Service::kDisabled)) {
        continue;
      }
      const auto done = left_.find({set->pool, backend.address.to_string()});
      if (moving && done != left_.end() && done->second == order->since_ms + 1) {
        continue;
      }
      leaving.push_back({.pool = set->pool,
                         .backend = backend.address,
                         .state = backend.state,
                         .rate = order->rate,
                         .credit = 0,
                         .before_ms = moving ? order->since_ms + 1 : kNever,
                         .by = order->by,
                         .settled_ms = moving ? order->since_ms + login_takes : kNever});
    }
  }
  leaving_ = std::move(leaving);
  ++changes_;
  news_.notify_all();
}

// False: it is done.
bool Operations::end_some(Leaving& leaving) const {
  leaving.credit =
      std::min(leaving.credit + leaving.rate * std::chrono::duration<double>(kTick).count(),
               static_cast<double>(leaving.rate));
  const auto may = static_cast<std::int64_t>(std::floor(std::max(leaving.credit, 0.0)));
  if (may == 0) {
    return true;
  }
  const bool settled = now_ms() > leaving.settled_ms;
  if (leaving.state->sessions.load(std::memory_order_relaxed) == 0) {
    return !settled;
  }
  SessionSurvey::Order order;
  order.filter.pool = leaving.pool;
  order.filter.backend = leaving.backend;
  order.filter.phase = metrics::name(metrics::Phase::kRelay);
  order.reason = dialogue::CloseReason::kMoved;
  order.detail = "by " + leaving.by;
  order.at_most = may;
  order.before_ms = leaving.before_ms;
  const auto outcome = SessionSurvey::run(std::move(order), *around_.workers, kListingMayTake);
  leaving.credit -= static_cast<double>(outcome.ended);
  return !settled || !outcome.complete || outcome.ended != 0;
}

void Operations::pace(const std::stop_token& stop) {
  name_this_thread("pacer");
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (leaving_.empty()) {
      const std::uint64_t known = changes_;
      news_.wait(lock, stop, [&] { return changes_ != known; });
      continue;
    }
    std::vector<Leaving> leaving = leaving_;
    std::vector<Leaving> over;
    const std::uint64_t known = changes_;
    lock.unlock();
    std::erase_if(leaving, [&](Leaving& one) {
      const bool done = !end_some(one);
      if (done) {
        const std::string backend = one.backend.to_string();
        log::info("backend moved", {{"pool", one.pool}, {"backend", backend}});
        over.push_back(one);
      }
      return done;
    });
    lock.lock();
    for (const Leaving& one : over) {
      left_.insert_or_assign({one.pool, one.backend.to_string()}, one.before_ms);
    }
    if (changes_ == known) {
      leaving_ = std::move(leaving);
    }
    news_.wait_for(lock, stop, kTick, [&] { return changes_ != known; });
  }
}

}  // namespace headgate::server
