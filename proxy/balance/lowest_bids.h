#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
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

// The backends of a kind from the lowest bid on, by hashes alone: the first costs a walk over all
// of them, each further one a walk over those of one weight.
class LowestBids {
 public:
  // How many next() gives at most.
  static constexpr unsigned kMost = 4;

  LowestBids(const BackendSet& set, std::uint64_t key, Slot::Kind kind)
      : set_(set), key_(key), kind_(kind) {
    for (const Run& run : set.few_weights ? set.runs : kNoRuns) {
      if (run.kind == kind) {
        highest_[runs_++] = highest_of(run);
      }
    }
  }

  // nullopt: there are no more.
  std::optional<std::uint32_t> next() {
    if (!set_.few_weights) {
      return next_of_many_weights();
    }
    if (given_ != nullptr) {
      *given_ = highest_below(*given_);
      given_ = nullptr;
    }
    Bid lowest;
    for (Highest* one = highest_.data(); one != highest_.data() + runs_; ++one) {
      if (one->place == one->run->end) {
        continue;
      }
      const Bid bid = make_bid(std::max<std::uint64_t>(one->drawn, 1), one->run->weight);
      if (given_ == nullptr || bid < lowest) {
        given_ = one;
        lowest = bid;
      }
    }
    return given_ != nullptr ? std::optional(set_.packed_slots[given_->place]) : std::nullopt;
  }

 private:
  // Of a run: of equal weights, the highest drawn is the lowest bid.
  struct Highest {
    const Run* run;
    std::uint64_t drawn;
    std::uint32_t place;  // run->end: there is none
  };
  inline static const std::vector<Run> kNoRuns;

  // Every decision takes this walk. With the condition of the other one in it a decision took 0.75
  // to 0.95 instead of 0.6 µs at 300 backends (bench/simulation).
  [[nodiscard]] Highest highest_of(const Run& run) const {
    std::uint64_t highest = 0;
    std::uint32_t where = run.begin;
    for (std::uint32_t place = run.begin; place < run.end; ++place) {
      const std::uint64_t drawn = mix(key_ ^ set_.packed_hashes[place]);
      where = drawn > highest ? place : where;
      highest = drawn > highest ? drawn : highest;
    }
    return {.run = &run, .drawn = highest, .place = where};
  }

  [[nodiscard]] Highest highest_below(const Highest& last) const {
    Highest next{.run = last.run, .drawn = 0, .place = last.run->end};
    for (std::uint32_t place = last.run->begin; place < last.run->end; ++place) {
      const std::uint64_t drawn = mix(key_ ^ set_.packed_hashes[place]);
      if (drawn < last.drawn && drawn >= next.drawn) {
        next.drawn = drawn;
        next.place = place;
      }
    }
    return next;
  }

  std::optional<std::uint32_t> next_of_many_weights() {
    if (many_given_ == many_.size()) {
      return std::nullopt;
    }
    const auto end = many_.begin() + many_given_;
    const auto found = lowest_of_many_weights(set_.slots, key_, [&](const Slot& slot) {
      return slot.kind == kind_ && std::find(many_.begin(), end, &slot) == end;
    });
    if (found) {
      many_[many_given_++] = &set_.slots[*found];
    }
    return found;
  }

  const BackendSet& set_;
  const std::uint64_t key_;
  const Slot::Kind kind_;
  std::array<Highest, kWeightClasses> highest_;  // the first runs_ of them
  std::size_t runs_ = 0;
  Highest* given_ = nullptr;  // by the last next()
  std::array<const Slot*, kMost> many_;
  unsigned many_given_ = 0;
};

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
