#include "balance/backend_set.h"

#include <algorithm>

#include "balance/fixed_log.h"
#include "balance/siphash.h"

namespace headgate::balance {
namespace {

// A bijection that spreads every input bit over all output bits (Stafford's thirteenth variant of
// the MurmurHash3 finisher).
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

std::uint64_t draw(const Backend& backend, std::uint64_t user) {
  return std::max<std::uint64_t>(mix(user ^ backend.hash), 1);
}

std::uint64_t bounded_weight(const Backend& backend) {
  return std::min<std::uint64_t>(backend.weight, kWeightLimit);
}

// What a backend bids for a user: -log2(drawn) / weight, the lowest wins. Kept as a fraction, since
// comparing by cross-multiplication is exact.
struct Bid {
  std::uint64_t drawn = 0;
  std::uint64_t weight = 0;
  std::uint64_t distance = 0;

  // Ties go by what was drawn, never by the place in the file.
  friend bool operator<(const Bid& a, const Bid& b) {
    const std::uint64_t left = a.distance * b.weight;
    const std::uint64_t right = b.distance * a.weight;
    return left != right ? left < right : a.drawn > b.drawn;
  }
};

Bid make_bid(std::uint64_t drawn, std::uint64_t weight) {
  return {.drawn = drawn, .weight = weight, .distance = minus_log2(drawn)};
}

bool comes_last(const Backend& backend, std::int64_t now_ms) {
  return backend.endpoints.empty() ||
         (backend.state != nullptr &&
          backend.state->retry_at_ms.load(std::memory_order_relaxed) > now_ms);
}

// The lowest bid among the backends that `allowed` lets in.
std::optional<std::uint32_t> lowest_bid(const std::vector<Backend>& backends, std::uint64_t user,
                                        auto allowed) {
  std::optional<std::uint32_t> best;
  Bid lowest;
  for (std::uint32_t at = 0; at < backends.size(); ++at) {
    const Backend& backend = backends[at];
    if (backend.weight == 0 || !allowed(backend)) {
      continue;
    }
    const std::uint64_t drawn = draw(backend, user);
    const std::uint64_t weight = bounded_weight(backend);
    // Most lose here already, without a logarithm: it never rises with what was drawn.
    if (drawn <= lowest.drawn && weight <= lowest.weight) {
      continue;
    }
    const Bid bid = make_bid(drawn, weight);
    if (!best || bid < lowest) {
      lowest = bid;
      best = at;
    }
  }
  return best;
}

}  // namespace

std::uint64_t user_key(std::string_view user) {
  return SipHash::of_lower_case(user);
}

std::uint64_t backend_key(const HostPort& address) {
  return SipHash::of_lower_case(address.to_string());
}

Candidates by_user_hash(const BackendSet& set, std::uint64_t user, std::int64_t now_ms) {
  struct Entry {
    Bid bid;
    bool last;
    std::uint32_t at;
  };
  std::vector<Entry> entries;
  entries.reserve(set.backends.size());
  for (std::uint32_t at = 0; at < set.backends.size(); ++at) {
    const Backend& backend = set.backends[at];
    if (backend.weight != 0) {
      entries.push_back({make_bid(draw(backend, user), bounded_weight(backend)),
                         comes_last(backend, now_ms), at});
    }
  }
  std::ranges::sort(entries, [](const Entry& a, const Entry& b) {
    return a.last != b.last ? b.last : a.bid < b.bid;
  });
  Candidates candidates;
  candidates.order.reserve(entries.size());
  for (const Entry& entry : entries) {
    candidates.order.push_back(entry.at);
  }
  return candidates;
}

std::optional<std::uint32_t> first_by_user_hash(const BackendSet& set, std::uint64_t user,
                                                std::int64_t now_ms) {
  // The states are written by all workers, so they are left alone but for the winner's: a second
  // round is needed only when that one is down.
  const auto best = lowest_bid(set.backends, user, [](const Backend&) { return true; });
  if (!best || !comes_last(set.backends[*best], now_ms)) {
    return best;
  }
  const auto up = lowest_bid(set.backends, user, [now_ms](const Backend& backend) {
    return !comes_last(backend, now_ms);
  });
  return up ? up : best;
}

void note_failure(BackendState& state, std::int64_t now_ms, std::int64_t base_ms,
                  std::uint64_t random) {
  constexpr std::int64_t kLongestMs = 30'000;
  constexpr unsigned kMostDoublings = 20;
  state.failures.fetch_add(1, std::memory_order_relaxed);
  std::int64_t retry_at = state.retry_at_ms.load(std::memory_order_relaxed);
  if (retry_at > now_ms) {
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
  if (state.failures_in_a_row.load(std::memory_order_relaxed) != 0) {
    state.failures_in_a_row.store(0, std::memory_order_relaxed);
  }
  if (state.retry_at_ms.load(std::memory_order_relaxed) != 0) {
    state.retry_at_ms.store(0, std::memory_order_relaxed);
  }
}

}  // namespace headgate::balance
