#include "balance/policy.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <utility>

#include "balance/bid.h"
#include "balance/lowest_bids.h"

namespace headgate::balance {
namespace {

// Of all that is drawn for a user, which part says whose share the user is; apart from placement.
constexpr std::uint64_t kShareSalt = 0x7368617265730a01;
constexpr std::uint64_t kWholeShare = 10'000;

__extension__ using Wide = unsigned __int128;

// `random` brought down to 0 … limit - 1, each as often.
std::uint64_t scaled(std::uint64_t random, std::uint64_t limit) {
  return static_cast<std::uint64_t>((Wide{random} * limit) >> 64);
}

// Who is considered: the ordinary backends or the backups, those that are up or all.
struct Tier {
  Slot::Kind kind = Slot::Kind::kOrdinary;
  bool down_too = false;

  friend bool operator==(const Tier&, const Tier&) = default;
};
constexpr std::array<Tier, 4> kTiers = {{{Slot::Kind::kOrdinary, false},
                                         {Slot::Kind::kBackup, false},
                                         {Slot::Kind::kOrdinary, true},
                                         {Slot::Kind::kBackup, true}}};

std::uint64_t sessions_at(const Slot& slot) {
  const std::int64_t sessions = slot.state->sessions.load(std::memory_order_relaxed);
  return static_cast<std::uint64_t>(std::max<std::int64_t>(sessions, 0));
}

bool full(const Slot& slot) {
  return slot.max_sessions != 0 && sessions_at(slot) >= slot.max_sessions;
}

bool up(const Slot& slot, std::int64_t now_ms) {
  return slot.resolved && slot.state->retry_at_ms.load(std::memory_order_relaxed) <= now_ms;
}

bool allowed(const Slot& slot, Tier tier, std::int64_t now_ms) {
  return slot.kind == tier.kind && !full(slot) && (tier.down_too || up(slot, now_ms));
}

// The tier of one backend, as an index of kTiers; kTiers.size(): it takes nobody.
std::size_t tier_of(const Slot& slot, std::int64_t now_ms) {
  for (std::size_t tier = 0; tier < kTiers.size(); ++tier) {
    if (allowed(slot, kTiers[tier], now_ms)) {
      return tier;
    }
  }
  return kTiers.size();
}

// Sessions by weight as they would be with one more. Read once: they change while one looks.
struct Load {
  std::uint64_t sessions;  // below 2^40, so that it can be multiplied by a weight
  std::uint64_t weight;

  friend bool operator<(const Load& a, const Load& b) {
    return a.sessions * b.weight < b.sessions * a.weight;
  }
};

Load load_of(const Slot& slot) {
  return {std::min(sessions_at(slot), (std::uint64_t{1} << 40) - 2) + 1, slot.weight};
}

// What each backend may have of the sessions of its tier: load_bound per cent of its share by
// weight, rounded up, so that there is always room somewhere.
class Bound {
 public:
  // By what all of them have now.
  static Bound exact(const BackendSet& set, Tier tier, std::int64_t now_ms) {
    Bound bound(set.load_bound);
    if (set.load_bound != 0) {
      for (const Slot& slot : set.slots) {
        if (allowed(slot, tier, now_ms)) {
          bound.sessions_ += sessions_at(slot);
          bound.weights_ += slot.weight;
        }
      }
    }
    return bound;
  }

  // By what those that are up had some logins ago: to look at the states of all is dear, since all
  // workers write to them. One decision of kDecisions looks for the others.
  static Bound recent(const BackendSet& set, const Request& request) {
    Bound bound(set.load_bound);
    LoadSums& sums = *set.sums;
    bound.sessions_ = sums.sessions.load(std::memory_order_relaxed);
    bound.weights_ = sums.weights.load(std::memory_order_relaxed);
    if (bound.weights_ == 0 || request.random % kDecisions == 0) {
      bound = exact(set, kTiers.front(), request.now_ms);
      sums.sessions.store(bound.sessions_, std::memory_order_relaxed);
      sums.weights.store(bound.weights_, std::memory_order_relaxed);
    }
    return bound;
  }

  [[nodiscard]] bool has_room(const Slot& slot) const {
    if (percent_ == 0) {
      return true;
    }
    const auto sessions = sessions_at(slot);
    // sessions + 1 <= ceil(allowed), without a division.
    return Wide{sessions} * weights_ * 100 < Wide{sessions_ + 1} * slot.weight * percent_;
  }

 private:
  static constexpr std::uint64_t kDecisions = 16;

  explicit Bound(unsigned percent) : percent_(percent) {}

  unsigned percent_;
  std::uint64_t sessions_ = 0;
  std::uint64_t weights_ = 0;
};

// The lowest bid of the tier's kind that `may` lets in. The states are written by all workers, so
// only those of the first few are read; nearly always it is one of them.
std::optional<std::uint32_t> by_bid(const BackendSet& set, std::uint64_t key, Slot::Kind kind,
                                    auto may) {
  LowestBids bids(set, key, kind);
  for (unsigned tries = 0; tries < LowestBids::kMost; ++tries) {
    const auto at = bids.next();
    if (!at || may(set.slots[*at])) {
      return at;
    }
  }
  return lowest_bid(set, key, may);
}

std::optional<std::uint32_t> by_hash(const BackendSet& set, std::uint64_t key, Tier tier,
                                     std::int64_t now_ms) {
  return by_bid(set, key, tier.kind,
                [tier, now_ms](const Slot& slot) { return allowed(slot, tier, now_ms); });
}

std::optional<std::uint32_t> by_bounded_hash(const BackendSet& set, const Request& request,
                                             Tier tier) {
  const auto within = [&](const Bound& bound) {
    return by_bid(set, request.user, tier.kind, [&](const Slot& slot) {
      return allowed(slot, tier, request.now_ms) && bound.has_room(slot);
    });
  };
  // Of more sessions than some logins ago, backends have more room; then there is some again.
  if (tier == kTiers.front()) {
    if (const auto found = within(Bound::recent(set, request))) {
      return found;
    }
  }
  return within(Bound::exact(set, tier, request.now_ms));
}

// Of the slots of a run that the tier allows, the one with the fewest sessions, from a place on
// that `random` says, so that ties (all of them, in an empty pool) do not go to one.
std::optional<std::uint32_t> fewest_sessions(const BackendSet& set, const Run& run,
                                             std::uint64_t random, Tier tier, std::int64_t now_ms) {
  std::optional<std::uint32_t> best;
  std::uint64_t fewest = std::numeric_limits<std::uint64_t>::max();
  const std::uint32_t count = run.end - run.begin;
  const std::uint32_t first = run.begin + static_cast<std::uint32_t>(scaled(random, count));
  const auto look = [&](std::uint32_t from, std::uint32_t to) {
    for (std::uint32_t place = from; place < to; ++place) {
      const Slot& slot = set.slots[set.packed_slots[place]];
      if (const auto sessions = sessions_at(slot);
          sessions < fewest && allowed(slot, tier, now_ms)) {
        fewest = sessions;
        best = set.packed_slots[place];
      }
    }
  };
  look(first, run.end);
  look(run.begin, first);
  return best;
}

std::optional<std::uint32_t> by_load(const BackendSet& set, std::uint64_t random, Tier tier,
                                     std::int64_t now_ms) {
  std::optional<std::uint32_t> best;
  Load least{};
  for (const Run& run : set.runs) {
    const auto found =
        run.kind == tier.kind ? fewest_sessions(set, run, random, tier, now_ms) : std::nullopt;
    if (!found) {
      continue;
    }
    const Load load = load_of(set.slots[*found]);
    if (!best || load < least) {
      least = load;
      best = found;
    }
  }
  return best;
}

// A slot where it lies when those of its kind are laid end to end, each as long as its weight.
struct Stretch {
  std::uint32_t at = 0;
  std::uint64_t begin = 0;
  std::uint64_t weight = 0;
};

// Where the point lies, which must be below the sum of the kind's weights.
Stretch stretch_at(const BackendSet& set, Slot::Kind kind, std::uint64_t point) {
  std::uint64_t begin = 0;
  for (const Run& run : set.runs) {
    if (run.kind != kind) {
      continue;
    }
    const std::uint64_t length = std::uint64_t{run.weight} * (run.end - run.begin);
    if (point - begin < length) {
      const std::uint64_t nth = (point - begin) / run.weight;
      return {set.packed_slots[run.begin + nth], begin + nth * run.weight, run.weight};
    }
    begin += length;
  }
  return {};
}

// Two slots of a kind by weight, without putting the first one back: drawn as by the two lowest
// bids for a random key, which would cost a walk over all of them (0.6 µs for 300).
std::array<std::optional<std::uint32_t>, 2> draw_two(const BackendSet& set, std::uint64_t random,
                                                     Slot::Kind kind) {
  std::uint64_t weights = 0;
  for (const Run& run : set.runs) {
    weights += run.kind == kind ? std::uint64_t{run.weight} * (run.end - run.begin) : 0;
  }
  if (weights == 0) {
    return {};
  }
  const Stretch first = stretch_at(set, kind, scaled(mix(random), weights));
  const std::uint64_t others = weights - first.weight;
  if (others == 0) {
    return {first.at, std::nullopt};
  }
  std::uint64_t point = scaled(mix(~random), others);
  point += point >= first.begin ? first.weight : 0;
  return {first.at, stretch_at(set, kind, point).at};
}

std::optional<std::uint32_t> by_two(const BackendSet& set, std::uint64_t random, Tier tier,
                                    std::int64_t now_ms) {
  const auto may = [tier, now_ms](const Slot& slot) { return allowed(slot, tier, now_ms); };
  std::array two = draw_two(set, random, tier.kind);
  const auto good = [&](std::optional<std::uint32_t> at) { return !at || may(set.slots[*at]); };
  if (!good(two[0]) || !good(two[1])) {
    two = two_lowest_bids(set.slots, random, may);
  }
  const bool second = two[1] && load_of(set.slots[*two[1]]) < load_of(set.slots[*two[0]]);
  return two[second ? 1 : 0];
}

// A step through 0 … places - 1 that meets each of them once and neighbours in time far apart: near
// the golden section, without a common divisor.
std::uint64_t stride(std::uint64_t places) {
  std::uint64_t step = std::max<std::uint64_t>(places * 618 / 1000, 1);
  while (std::gcd(step, places) != 1) {
    ++step;
  }
  return step;
}

// Each backend that `may` lets in has as many of the places as its weight says.
std::optional<std::uint32_t> at_turn(const BackendSet& set, std::uint64_t turn, auto may) {
  std::uint64_t places = 0;
  for (const Slot& slot : set.slots) {
    places += may(slot) ? slot.weight : 0;
  }
  places /= set.weight_step;
  if (places == 0) {
    return std::nullopt;
  }
  std::uint64_t place = turn % places * stride(places) % places * set.weight_step;
  for (std::uint32_t at = 0; at < set.slots.size(); ++at) {
    if (!may(set.slots[at])) {
      continue;
    }
    if (place < set.slots[at].weight) {
      return at;
    }
    place -= set.slots[at].weight;
  }
  return std::nullopt;  // a backend went down or filled up since it was counted
}

// As by_hash(): only the state of the one whose turn it is, as long as that one is up.
std::optional<std::uint32_t> by_turn(const BackendSet& set, std::uint64_t turn, Tier tier,
                                     std::int64_t now_ms) {
  const auto next = at_turn(set, turn, [tier](const Slot& slot) { return slot.kind == tier.kind; });
  if (!next || allowed(set.slots[*next], tier, now_ms)) {
    return next;
  }
  return at_turn(set, turn,
                 [tier, now_ms](const Slot& slot) { return allowed(slot, tier, now_ms); });
}

std::optional<std::uint32_t> by_file_order(const BackendSet& set, Tier tier, std::int64_t now_ms) {
  const auto found = std::ranges::find_if(
      set.slots, [&](const Slot& slot) { return allowed(slot, tier, now_ms); });
  if (found == set.slots.end()) {
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(found - set.slots.begin());
}

std::optional<std::uint32_t> choose_in(const BackendSet& set, const Request& request, Tier tier) {
  switch (set.policy) {
    case Policy::kUserHash:
      return set.load_bound == 0 ? by_hash(set, request.user, tier, request.now_ms)
                                 : by_bounded_hash(set, request, tier);
    case Policy::kSourceHash:
      return by_hash(set, request.source, tier, request.now_ms);
    case Policy::kRandom:
      return by_hash(set, request.random, tier, request.now_ms);
    case Policy::kPowerOfTwo:
      return by_two(set, request.random, tier, request.now_ms);
    case Policy::kLeastSessions:
      return by_load(set, request.random, tier, request.now_ms);
    case Policy::kRoundRobin: {
      const auto found = by_turn(set, request.turn, tier, request.now_ms);
      return found ? found : by_file_order(set, tier, request.now_ms);
    }
    case Policy::kFirst:
      return by_file_order(set, tier, request.now_ms);
  }
  return std::nullopt;
}

// What the order behind the first choice goes by: bids where the policy has any.
std::uint64_t order_key(const BackendSet& set, const Request& request) {
  switch (set.policy) {
    case Policy::kUserHash:
      return request.user;
    case Policy::kSourceHash:
      return request.source;
    default:
      return request.random;
  }
}

// A backend in the order behind the first choice.
struct Entry {
  std::size_t tier;
  bool no_room;  // beyond the load bound
  Bid bid;
  Load load;
  std::uint32_t at;
};

void sort_entries(std::vector<Entry>& entries, const BackendSet& set, std::uint32_t first) {
  const auto rank = [](const Entry& entry) { return std::pair(entry.tier, entry.no_room); };
  const auto count = set.slots.size();
  const auto before = [&](const Entry& a, const Entry& b) {
    switch (set.policy) {
      case Policy::kLeastSessions:
        return a.load < b.load;
      case Policy::kRoundRobin:
        return (a.at + count - first) % count < (b.at + count - first) % count;
      case Policy::kFirst:
        return a.at < b.at;
      default:
        return a.bid < b.bid;
    }
  };
  std::ranges::sort(entries, [&](const Entry& a, const Entry& b) {
    return rank(a) != rank(b) ? rank(a) < rank(b) : before(a, b);
  });
}

}  // namespace

std::optional<std::uint32_t> claimed_share(const BackendSet& set, std::uint64_t user) {
  if (!set.has_shares) {
    return std::nullopt;
  }
  std::uint64_t left = kWholeShare;
  for (std::uint32_t at = 0; at < set.slots.size() && left > 0; ++at) {
    if (set.slots[at].kind != Slot::Kind::kShare) {
      continue;
    }
    // Each draws for itself among those whom the ones before it left.
    const std::uint64_t share = std::min<std::uint64_t>(set.backends[at].share, left);
    if (scaled(mix(draw(set.slots[at], user) ^ kShareSalt), left) < share) {
      return at;
    }
    left -= share;
  }
  return std::nullopt;
}

std::optional<std::uint32_t> choose(const BackendSet& set, const Request& request) {
  const auto claimed = claimed_share(set, request.user);
  if (claimed && up(set.slots[*claimed], request.now_ms) && !full(set.slots[*claimed])) {
    return claimed;
  }
  for (const Tier tier : kTiers) {
    if (const auto found = choose_in(set, request, tier)) {
      // A look at one state decided, the rest was assumed: that must hold for the winner.
      if (allowed(set.slots[*found], tier, request.now_ms)) {
        return found;
      }
    }
  }
  return claimed && !full(set.slots[*claimed]) ? claimed : std::nullopt;
}

Candidates order(const BackendSet& set, const Request& request) {
  Candidates candidates;
  const auto first = choose(set, request);
  if (!first) {
    return candidates;
  }
  const std::uint64_t key = order_key(set, request);
  const Bound bound = Bound::exact(set, kTiers.front(), request.now_ms);
  const auto claimed = claimed_share(set, request.user);
  std::vector<Entry> entries;
  entries.reserve(set.slots.size());
  for (std::uint32_t at = 0; at < set.slots.size(); ++at) {
    const Slot& slot = set.slots[at];
    const std::size_t tier = tier_of(slot, request.now_ms);  // of a share's backend: none
    if (at != *first && (tier < kTiers.size() || (at == claimed && !full(slot)))) {
      entries.push_back({tier, set.policy == Policy::kUserHash && !bound.has_room(slot),
                         make_bid(draw(slot, key), slot.weight), load_of(slot), at});
    }
  }
  sort_entries(entries, set, *first);
  candidates.order.reserve(entries.size() + 1);
  candidates.order.push_back(*first);
  for (const Entry& entry : entries) {
    candidates.order.push_back(entry.at);
  }
  return candidates;
}

std::string_view name(Policy policy) {
  constexpr std::array<std::string_view, 7> kNames = {
      "user_hash", "least_sessions", "power_of_two", "round_robin",
      "random",    "first",          "source_hash"};
  return kNames[static_cast<std::size_t>(policy)];
}

}  // namespace headgate::balance
