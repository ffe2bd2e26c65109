#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "balance/bid.h"

// Walks over the backends of a set for the lowest bids for a key, which are what most policies ask
// for. Those of a kind look at hashes alone, a run of equal weights at a time; the others ask `may`
// about each slot.
namespace headgate::balance {

// The lowest bid among the backends that `may` lets in, with a logarithm for each that might win.
inline std::optional<std::uint32_t> lowest_of_many_weights(const std::vector<Slot>& slots,
                                                           std::uint64_t key, auto may) {
  std::optional<std::uint32_t> best;
  Bid lowest;
  for (std::uint32_t at = 0; at < slots.size(); ++at) {
    if (!may(slots[at])) {
      continue;
    }
    const std::uint64_t drawn = draw(slots[at], key);
    // It never rises with what was drawn.
    if (drawn <= lowest.drawn && slots[at].weight <= lowest.weight) {
      continue;
    }
    const Bid bid = make_bid(drawn, slots[at].weight);
    if (!best || bid < lowest) {
      lowest = bid;
      best = at;
    }
  }
  return best;
}

// The same with a logarithm for each weight: of equal weights, the highest drawn is the lowest bid.
inline std::optional<std::uint32_t> lowest_bid(const BackendSet& set, std::uint64_t key, auto may) {
  if (!set.few_weights) {
    return lowest_of_many_weights(set.slots, key, may);
  }
  struct Highest {
    std::uint64_t drawn = 0;  // which nobody draws
    std::uint32_t at = 0;
  };
  std::array<Highest, kWeightClasses> highest;
  for (std::uint32_t at = 0; at < set.slots.size(); ++at) {
    const Slot& slot = set.slots[at];
    if (!may(slot)) {
      continue;
    }
    const std::uint64_t drawn = draw(slot, key);
    if (Highest& best = highest[slot.weight_class]; drawn > best.drawn) {
      best = {drawn, at};
    }
  }
  std::optional<std::uint32_t> best;
  Bid lowest;
  for (const Highest& one : highest) {
    if (one.drawn == 0) {
      continue;
    }
    const Bid bid = make_bid(one.drawn, set.slots[one.at].weight);
    if (!best || bid < lowest) {
      lowest = bid;
      best = one.at;
    }
  }
  return best;
}

// The lowest bid of a kind, as lowest_bid() would find it, by hashes alone.
inline std::optional<std::uint32_t> lowest_of_kind(const BackendSet& set, std::uint64_t key,
                                                   Slot::Kind kind) {
  if (!set.few_weights) {
    return lowest_of_many_weights(set.slots, key,
                                  [kind](const Slot& slot) { return slot.kind == kind; });
  }
  std::optional<std::uint32_t> best;
  Bid lowest;
  for (const Run& run : set.runs) {
    if (run.kind != kind) {
      continue;
    }
    std::uint64_t highest = 0;
    std::uint32_t where = run.begin;
    for (std::uint32_t place = run.begin; place < run.end; ++place) {
      const std::uint64_t drawn = mix(key ^ set.packed_hashes[place]);
      where = drawn > highest ? place : where;
      highest = drawn > highest ? drawn : highest;
    }
    const Bid bid = make_bid(std::max<std::uint64_t>(highest, 1), run.weight);
    if (!best || bid < lowest) {
      lowest = bid;
      best = set.packed_slots[where];
    }
  }
  return best;
}

// The two lowest bids of a kind by hashes alone: the two highest drawn of each run, then of all.
inline std::array<std::optional<std::uint32_t>, 2> two_lowest_of_kind(const BackendSet& set,
                                                                      std::uint64_t key,
                                                                      Slot::Kind kind) {
  std::array<std::optional<std::uint32_t>, 2> best;
  std::array<Bid, 2> lowest;
  const auto offer = [&](std::uint64_t drawn, const Run& run, std::uint32_t place) {
    const Bid bid = make_bid(std::max<std::uint64_t>(drawn, 1), run.weight);
    if (!best[0] || bid < lowest[0]) {
      best = {set.packed_slots[place], best[0]};
      lowest = {bid, lowest[0]};
    } else if (!best[1] || bid < lowest[1]) {
      best[1] = set.packed_slots[place];
      lowest[1] = bid;
    }
  };
  for (const Run& run : set.runs) {
    if (run.kind != kind) {
      continue;
    }
    std::array<std::uint64_t, 2> highest{};
    std::array<std::uint32_t, 2> where{run.begin, run.begin};
    for (std::uint32_t place = run.begin; place < run.end; ++place) {
      const std::uint64_t drawn = mix(key ^ set.packed_hashes[place]);
      if (drawn > highest[1]) {
        const bool first = drawn > highest[0];
        highest = first ? std::array{drawn, highest[0]} : std::array{highest[0], drawn};
        where = first ? std::array{place, where[0]} : std::array{where[0], place};
      }
    }
    offer(highest[0], run, where[0]);
    if (run.end - run.begin > 1) {
      offer(highest[1], run, where[1]);
    }
  }
  return best;
}

// The two lowest bids, in one walk; less than two: as often as there are any.
inline std::array<std::optional<std::uint32_t>, 2> two_lowest_bids(const std::vector<Slot>& slots,
                                                                   std::uint64_t key, auto may) {
  std::array<std::optional<std::uint32_t>, 2> best;
  std::array<Bid, 2> lowest;
  for (std::uint32_t at = 0; at < slots.size(); ++at) {
    if (!may(slots[at])) {
      continue;
    }
    const std::uint64_t drawn = draw(slots[at], key);
    if (drawn <= lowest[1].drawn && slots[at].weight <= lowest[1].weight) {
      continue;
    }
    const Bid bid = make_bid(drawn, slots[at].weight);
    if (!best[0] || bid < lowest[0]) {
      best = {at, best[0]};
      lowest = {bid, lowest[0]};
    } else if (!best[1] || bid < lowest[1]) {
      best[1] = at;
      lowest[1] = bid;
    }
  }
  return best;
}

}  // namespace headgate::balance
