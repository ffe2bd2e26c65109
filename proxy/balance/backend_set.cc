#include "balance/backend_set.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "balance/fixed_log.h"
#include "balance/siphash.h"

namespace headgate::balance {
namespace {

// Longer names keep their detail: they are refused before anybody asks.
constexpr std::size_t kLongestName = 512;
constexpr std::size_t kIpv6Prefix = 8;  // bytes

std::uint32_t tenths_of(const Backend& backend) {
  return backend.state ? backend.state->tenths.load(std::memory_order_relaxed) : kWholeTenths;
}

// With part of one backend's weight, all weights of the set are taken tenfold: nothing is lost by
// rounding, and whom nothing has changed for stays where it was.
std::uint32_t counted_weight(const Backend& backend, bool in_tenths) {
  static_assert(10'000 * kWholeTenths <= kWeightLimit, "the largest weight of a configuration");
  const std::uint64_t times = in_tenths ? tenths_of(backend) : 1;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(backend.weight * times, kWeightLimit));
}

void pack(BackendSet& set) {
  const auto& slots = set.slots;
  set.packed_slots.resize(slots.size());
  std::iota(set.packed_slots.begin(), set.packed_slots.end(), 0U);
  std::ranges::stable_sort(set.packed_slots, {}, [&](std::uint32_t at) {
    return std::pair(slots[at].kind, slots[at].weight);
  });
  set.packed_hashes.clear();
  set.runs.clear();
  for (const std::uint32_t at : set.packed_slots) {
    const Slot& slot = slots[at];
    const auto place = static_cast<std::uint32_t>(set.packed_hashes.size());
    if (set.runs.empty() || set.runs.back().kind != slot.kind ||
        set.runs.back().weight != slot.weight) {
      set.runs.push_back({slot.kind, slot.weight, place, place});
    }
    set.packed_hashes.push_back(slot.hash);
    ++set.runs.back().end;
  }
}

}  // namespace

std::uint64_t user_key(std::string_view user) {
  return SipHash::of_lower_case(user);
}

std::uint64_t user_key(std::string_view user, HashInput input) {
  const std::size_t at = user.rfind('@');
  if (input == HashInput::kDomain) {
    return user_key(at == user.npos ? user : user.substr(at + 1));
  }
  const std::string_view domain = at == user.npos ? std::string_view() : user.substr(at);
  const std::string_view local = user.substr(0, user.size() - domain.size());
  const std::size_t plus = local.find('+');
  if (input == HashInput::kUser || plus == local.npos || plus == 0 || user.size() > kLongestName) {
    return user_key(user);
  }
  std::array<char, kLongestName> name;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled
  const auto end =
      std::ranges::copy(domain, std::ranges::copy(local.substr(0, plus), name.data()).out).out;
  return user_key({name.data(), end});
}

std::uint64_t backend_key(const HostPort& address) {
  return SipHash::of_lower_case(address.to_string());
}

std::uint64_t source_key(const IpAddress& client) {
  return SipHash::of(client.is_v6() ? client.bytes().substr(0, kIpv6Prefix) : client.bytes());
}

void prepare(BackendSet& set) {
  static const BackendState kUnknown;
  std::uint32_t step = 0;
  std::vector<std::uint32_t> weights;
  set.slots.clear();
  set.has_shares = false;
  const bool in_tenths = std::ranges::any_of(
      set.backends, [](const Backend& backend) { return tenths_of(backend) != kWholeTenths; });
  for (const Backend& backend : set.backends) {
    Slot slot{.hash = backend.hash,
              .state = backend.state ? backend.state.get() : &kUnknown,
              .weight = counted_weight(backend, in_tenths),
              .max_sessions = backend.max_sessions,
              .kind = backend.backup ? Slot::Kind::kBackup : Slot::Kind::kOrdinary,
              .resolved = !backend.endpoints.empty()};
    if (slot.weight == 0 || backend.service != Service::kIn) {
      slot.kind = Slot::Kind::kNobody;
    } else if (backend.share != 0) {
      slot.kind = Slot::Kind::kShare;
      set.has_shares = true;
    }
    const auto known = std::ranges::find(weights, slot.weight);
    slot.weight_class = static_cast<std::uint8_t>(known - weights.begin());
    if (known == weights.end()) {
      weights.push_back(slot.weight);
    }
    step = std::gcd(step, slot.weight);
    set.slots.push_back(slot);
  }
  set.weight_step = std::max(step, 1U);
  set.few_weights = weights.size() <= kWeightClasses;
  set.sums = std::make_shared<LoadSums>();
  pack(set);
}

bool is_up(const Backend& backend, std::int64_t now_ms) {
  return !backend.endpoints.empty() &&
         (backend.state == nullptr ||
          backend.state->retry_at_ms.load(std::memory_order_relaxed) <= now_ms);
}

bool keeps_users(const Backend& backend) {
  return backend.service == Service::kIn || backend.service == Service::kDraining;
}

std::int64_t sessions_of(const Backend& backend) {
  return backend.state ? backend.state->sessions.load(std::memory_order_relaxed) : 0;
}

bool is_full(const Backend& backend) {
  return backend.max_sessions != 0 &&
         sessions_of(backend) >= static_cast<std::int64_t>(backend.max_sessions);
}

std::optional<double> load_spread(const BackendSet& set, std::int64_t now_ms) {
  const auto takes_users = [now_ms](const Backend& backend) {
    return backend.service == Service::kIn && backend.weight != 0 && backend.share == 0 &&
           !backend.backup && is_up(backend, now_ms);
  };
  std::int64_t sessions = 0;
  double weights = 0;
  double fullest = 0;  // sessions by weight
  std::size_t count = 0;
  for (const Backend& backend : set.backends) {
    if (!takes_users(backend)) {
      continue;
    }
    const std::int64_t here = std::max<std::int64_t>(sessions_of(backend), 0);
    const double weight = static_cast<double>(counted_weight(backend, true));
    ++count;
    sessions += here;
    weights += weight;
    fullest = std::max(fullest, static_cast<double>(here) / weight);
  }
  if (count < 2 || sessions == 0) {
    return std::nullopt;
  }
  return fullest * weights / static_cast<double>(sessions);
}

double weight_away(const BackendSet& set) {
  std::uint64_t whole = 0;
  std::uint64_t left = 0;
  for (const Backend& backend : set.backends) {
    if (backend.service == Service::kIn) {
      whole += std::uint64_t{counted_weight(backend, false)} * kWholeTenths;
      left += counted_weight(backend, true);
    }
  }
  return whole == 0 ? 0 : static_cast<double>(whole - left) / static_cast<double>(whole);
}

void note_failure(BackendState& state, std::int64_t now_ms, std::int64_t base_ms,
                  std::uint64_t random, bool trial) {
  constexpr std::int64_t kLongestMs = 30'000;
  constexpr unsigned kMostDoublings = 20;
  state.failures.fetch_add(1, std::memory_order_relaxed);
  std::int64_t retry_at = state.retry_at_ms.load(std::memory_order_relaxed);
  if (retry_at > now_ms && (!trial || retry_at == kUntilChecked)) {
    return;
  }
  const std::uint32_t earlier = state.failures_in_a_row.load(std::memory_order_relaxed);
  const std::int64_t longest = std::max(base_ms, kLongestMs);
  const std::int64_t doubled = std::max<std::int64_t>(base_ms, 1)
                               << std::min(earlier, kMostDoublings);
  const std::int64_t delay = doubled < longest ? doubled : longest;
  // ±20 %, so that the workers and proxies that saw it fail do not come back all at once.
  const std::int64_t spread = delay * 2 / 5;
  const std::int64_t jitter =
      static_cast<std::int64_t>(random % (static_cast<std::uint64_t>(spread) + 1)) - spread / 2;
  // Of several workers at once, one wins and counts.
  if (state.retry_at_ms.compare_exchange_strong(retry_at, now_ms + delay + jitter,
                                                std::memory_order_relaxed)) {
    state.failures_in_a_row.store(earlier + 1, std::memory_order_relaxed);
  }
}

void note_success(BackendState& state) {
  // Nearly every login comes here: a line that all workers share is not written for nothing.
  if (is_taken_out(state)) {
    return;
  }
  if (state.failures_in_a_row.load(std::memory_order_relaxed) != 0) {
    state.failures_in_a_row.store(0, std::memory_order_relaxed);
  }
  std::int64_t retry_at = state.retry_at_ms.load(std::memory_order_relaxed);
  if (retry_at != 0 && retry_at != kUntilChecked) {
    // Not what the checks may have written since.
    state.retry_at_ms.compare_exchange_strong(retry_at, 0, std::memory_order_relaxed);
  }
}

bool begin_trial(BackendState& state, std::int64_t now_ms, std::int64_t for_ms) {
  std::int64_t due = state.retry_at_ms.load(std::memory_order_relaxed);
  return due != 0 && due <= now_ms &&
         state.retry_at_ms.compare_exchange_strong(due, now_ms + for_ms, std::memory_order_relaxed);
}

std::int64_t wait_for_end(BackendState& state, std::int64_t now_ms, unsigned rate) {
  constexpr std::int64_t kSecond = 1'000'000;
  const std::int64_t now = now_ms * 1000;
  std::int64_t next = state.next_end_us.load(std::memory_order_relaxed);
  std::int64_t mine = 0;
  do {
    mine = std::max(next, now);
  } while (!state.next_end_us.compare_exchange_weak(next, mine + kSecond / rate,
                                                    std::memory_order_relaxed));
  return (mine - now) / 1000;
}

std::size_t first_address(const Backend& backend) {
  return backend.state == nullptr || backend.endpoints.size() < 2
             ? 0
             : backend.state->address.load(std::memory_order_relaxed) % backend.endpoints.size();
}

void note_address_worked(const Backend& backend, const Endpoint& address) {
  const auto& all = backend.endpoints;
  if (all.size() < 2 || backend.state == nullptr || all[first_address(backend)] == address) {
    return;
  }
  const auto at = std::ranges::find(all, address) - all.begin();
  backend.state->address.store(static_cast<std::uint32_t>(at), std::memory_order_relaxed);
}

void note_address_failed(const Backend& backend, const Endpoint& address) {
  const auto& all = backend.endpoints;
  if (all.size() < 2 || backend.state == nullptr) {
    return;
  }
  const std::size_t first = first_address(backend);
  if (all[first] == address) {  // else somebody has moved on already
    backend.state->address.store(static_cast<std::uint32_t>((first + 1) % all.size()),
                                 std::memory_order_relaxed);
  }
}

void note_taken_out(BackendState& state) {
  if (state.failures_in_a_row.load(std::memory_order_relaxed) < kFailuresToLeave) {
    state.failures_in_a_row.store(kFailuresToLeave, std::memory_order_relaxed);
  }
  state.retry_at_ms.store(kUntilChecked, std::memory_order_relaxed);
}

void note_brought_back(BackendState& state) {
  state.failures_in_a_row.store(0, std::memory_order_relaxed);
  state.retry_at_ms.store(0, std::memory_order_relaxed);
}

bool is_taken_out(const BackendState& state) {
  return state.retry_at_ms.load(std::memory_order_relaxed) == kUntilChecked;
}

}  // namespace headgate::balance
