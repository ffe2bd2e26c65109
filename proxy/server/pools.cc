#include "server/pools.h"

#include <algorithm>
#include <atomic>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "base/log.h"
#include "net/socket.h"

namespace headgate::server {
namespace {

balance::Policy policy_of(config::Policy policy) {
  switch (policy) {
    case config::Policy::kUserHash:
      break;
    case config::Policy::kLeastSessions:
      return balance::Policy::kLeastSessions;
    case config::Policy::kPowerOfTwo:
      return balance::Policy::kPowerOfTwo;
    case config::Policy::kRoundRobin:
      return balance::Policy::kRoundRobin;
    case config::Policy::kRandom:
      return balance::Policy::kRandom;
    case config::Policy::kFirst:
      return balance::Policy::kFirst;
    case config::Policy::kSourceHash:
      return balance::Policy::kSourceHash;
  }
  return balance::Policy::kUserHash;
}

std::shared_ptr<std::atomic<std::uint64_t>> turns_of(const Pools& before, const std::string& pool) {
  const auto known = std::ranges::find(
      before, pool, [](const auto& set) -> const std::string& { return set->pool; });
  return known != before.end() ? (*known)->turns : std::make_shared<std::atomic<std::uint64_t>>(0);
}

// The backend of this pool with this address; null when there is none.
const balance::Backend* find_backend(const Pools& pools, const std::string& pool,
                                     const HostPort& address) {
  for (const auto& set : pools) {
    if (set->pool != pool) {
      continue;
    }
    const auto found = std::ranges::find(set->backends, address, &balance::Backend::address);
    if (found != set->backends.end()) {
      return &*found;
    }
  }
  return nullptr;
}

// With the addresses that it had: a resolver that fails for a moment must not take a backend away.
balance::Backend make_backend(const config::Backend& wanted, const balance::Backend* known) {
  balance::Backend backend;
  backend.address = wanted.address;
  backend.weight = wanted.weight;
  backend.backup = wanted.backup;
  backend.share = wanted.share;
  backend.max_sessions = wanted.max_sessions;
  backend.hash = balance::backend_key(wanted.address);
  backend.state = known != nullptr ? known->state : std::make_shared<balance::BackendState>();
  backend.endpoints = known != nullptr ? known->endpoints : std::vector<Endpoint>();
  return backend;
}

// Where a backend is.
struct Question {
  const config::Pool* pool;
  balance::BackendSet* set;
  std::size_t backend;  // in the set
  // Nothing: it was not asked any more.
  std::optional<std::expected<std::vector<Endpoint>, std::string>> answer;

  void ask() {
    const HostPort& address = set->backends[backend].address;
    answer = pool->srv ? net::resolve(address, pool->srv->servers) : net::resolve(address);
  }
};

// Many at a time: a name server that is dead costs ten seconds a name, and whoever reloads waits.
void answer(std::vector<Question>& questions, const std::stop_token& stop) {
  constexpr std::size_t kAtOnce = 32;
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t at = next++; at < questions.size() && !stop.stop_requested(); at = next++) {
      questions[at].ask();
    }
  };
  const auto names = static_cast<std::size_t>(std::ranges::count_if(questions, [](const auto& one) {
    return !IpAddress::parse(one.set->backends[one.backend].address.host);
  }));
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < std::min(names, kAtOnce); ++i) {
    others.emplace_back(work);
  }
  work();
}

void note_answer(Question& question) {
  if (!question.answer) {
    return;
  }
  balance::Backend& backend = question.set->backends[question.backend];
  if (*question.answer) {
    backend.endpoints = in_order(std::move(**question.answer));
    return;
  }
  log::warning("backend name does not resolve", {{"pool", question.pool->name},
                                                 {"backend", backend.address.to_string()},
                                                 {"error", question.answer->error()}});
}

std::optional<metrics::AdmissionFigures> admission_of(const balance::BackendSet& set,
                                                      const balance::BackendState& state) {
  if (!set.admission.on) {
    return std::nullopt;
  }
  const balance::Admission& admission = state.admission;
  return metrics::AdmissionFigures{.limit = admission.limit(set.admission),
                                   .under_way = admission.under_way(),
                                   .waiting = admission.waiting(),
                                   .refused = admission.refused()};
}

}  // namespace

Pools make_pools(const config::Config& config, const Discovery& discovery, const Pools& before,
                 const std::stop_token& stop) {
  Pools pools;
  std::vector<std::shared_ptr<balance::BackendSet>> sets;
  std::vector<Question> questions;
  for (std::size_t i = 0; i < config.pools.size(); ++i) {
    const config::Pool& pool = config.pools[i];
    auto set = std::make_shared<balance::BackendSet>();
    set->pool = pool.name;
    set->policy = policy_of(pool.policy);
    set->load_bound = pool.load_bound;
    set->turns = turns_of(before, pool.name);
    set->lost_rate = pool.lost_sessions_rate;
    set->admission = {.on = pool.admission.enabled,
                      .least = pool.admission.least,
                      .most = pool.admission.most,
                      .queue = pool.admission.queue};
    for (const config::Backend& wanted : pool.srv ? discovery[i].backends : pool.backends) {
      const balance::Backend* known = find_backend(before, pool.name, wanted.address);
      balance::Backend& backend = set->backends.emplace_back(make_backend(wanted, known));
      const bool servers_answer = !pool.srv || discovery[i].failure.empty();
      if (servers_answer || backend.endpoints.empty()) {
        questions.push_back({&pool, set.get(), set->backends.size() - 1, {}});
      }
    }
    pools.push_back(set);
    sets.push_back(std::move(set));
  }
  answer(questions, stop);
  for (Question& question : questions) {
    note_answer(question);
  }
  for (const auto& set : sets) {
    balance::prepare(*set);
  }
  return pools;
}

std::vector<Endpoint> in_order(std::vector<Endpoint> addresses) {
  if (addresses.empty()) {
    return addresses;
  }
  const bool v6_first = addresses.front().ip.is_v6();
  const auto rank = [v6_first](const Endpoint& one) {
    return std::tuple(one.ip.is_v6() != v6_first, one.ip.bytes(), one.port);
  };
  std::ranges::sort(addresses, {}, rank);
  const auto twice = std::ranges::unique(addresses);
  addresses.erase(twice.begin(), twice.end());
  return addresses;
}

Pools departed(const Pools& before, const Pools& now) {
  Pools all;
  for (const auto& set : before) {
    auto rest = std::make_shared<balance::BackendSet>();
    rest->pool = set->pool;
    for (const balance::Backend& backend : set->backends) {
      if (balance::sessions_of(backend) > 0 &&
          find_backend(now, set->pool, backend.address) == nullptr) {
        rest->backends.push_back(backend);
        rest->backends.back().weight = 0;
      }
    }
    if (!rest->backends.empty()) {
      balance::prepare(*rest);
      all.push_back(std::move(rest));
    }
  }
  return all;
}

bool same_addresses(const Pools& one, const Pools& other) {
  return std::ranges::equal(one, other, [](const auto& a, const auto& b) {
    return std::ranges::equal(a->backends, b->backends,
                              [](const balance::Backend& x, const balance::Backend& y) {
                                return x.address == y.address && x.weight == y.weight &&
                                       x.backup == y.backup && x.endpoints == y.endpoints;
                              });
  });
}

std::vector<metrics::BackendFigures> figures(const Pools& pools, std::int64_t now_ms) {
  std::vector<metrics::BackendFigures> all;
  for (const auto& set : pools) {
    for (const balance::Backend& backend : set->backends) {
      const balance::BackendState& state = *backend.state;
      all.push_back({.pool = set->pool,
                     .backend = backend.address.to_string(),
                     .sessions = state.sessions.load(std::memory_order_relaxed),
                     .failures = state.failures.load(std::memory_order_relaxed),
                     .weight = backend.weight,
                     .up = !backend.endpoints.empty() &&
                           state.retry_at_ms.load(std::memory_order_relaxed) <= now_ms,
                     .draining = backend.weight == 0 || backend.service != balance::Service::kIn,
                     .disabled = backend.service == balance::Service::kDisabled,
                     .admission = admission_of(*set, state)});
    }
  }
  return all;
}

}  // namespace headgate::server
