#include "properties.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <vector>

#include "pool.h"

namespace headgate::bench {
namespace {

using balance::Backend;
using balance::BackendSet;
using balance::Policy;

constexpr std::array kSizes = {3U, 30U, 300U};
// But for `first`, which is not meant to share.
constexpr std::array kSharing = {Policy::kUserHash,   Policy::kSourceHash, Policy::kLeastSessions,
                                 Policy::kPowerOfTwo, Policy::kRoundRobin, Policy::kRandom};
// Those that go by who asks, so that a change has somebody to move.
constexpr std::array kKeyed = {Policy::kUserHash, Policy::kSourceHash};

double weights_of(const BackendSet& set) {
  double total = 0;
  for (const Backend& backend : set.backends) {
    total += backend.weight;
  }
  return total;
}

balance::Request login(std::uint64_t user) {
  const std::uint64_t key = key_of(user);
  return {.user = key, .source = ~key, .random = balance::mix(~key), .turn = user};
}

// Every user logs in once and stays.
void fill(const BackendSet& set, std::uint64_t users) {
  for (std::uint64_t user = 0; user < users; ++user) {
    ++set.backends[balance::choose(set, login(user)).value()].state->sessions;
  }
}

// The share of each backend by what it should be: 1.02 is 2 % too many.
std::vector<double> ratios(const BackendSet& set, std::uint64_t users) {
  const double total = weights_of(set);
  std::vector<double> all;
  for (const Backend& backend : set.backends) {
    all.push_back(static_cast<double>(backend.state->sessions) * total /
                  (backend.weight * static_cast<double>(users)));
  }
  return all;
}

void add(std::string& list, const std::string& item) {
  list += (list.empty() ? "" : ", ") + item;
}

std::string shares(std::uint64_t users) {
  std::string rows;
  for (const Policy policy : kSharing) {
    for (const unsigned backends : kSizes) {
      const BackendSet set = make_set(backends, policy);
      fill(set, users);
      double worst = 0;
      for (const double ratio : ratios(set, users)) {
        worst = std::max(worst, std::abs(ratio - 1));
      }
      add(rows, fmt::format(R"({{"policy": "{}", "backends": {}, "deviation": {:.6f}}})",
                            balance::name(policy), backends, worst));
    }
  }
  return rows;
}

std::vector<std::uint32_t> places(const BackendSet& set, std::uint64_t users) {
  std::vector<std::uint32_t> all(users);
  for (std::uint64_t user = 0; user < users; ++user) {
    all[user] = balance::choose(set, login(user)).value();
  }
  return all;
}

// A change and the part of the users that it must move.
struct Change {
  std::string_view name;
  BackendSet after;
  double least;
};

std::vector<Change> changes_of(const BackendSet& before) {
  const double total = weights_of(before);
  const auto changed = [&before](auto&& change) {
    BackendSet set = before;
    change(set.backends);
    balance::prepare(set);
    return set;
  };
  const Backend fresh = make_backend(static_cast<unsigned>(before.backends.size()), 150);
  const double first = before.backends.front().weight;
  std::vector<Change> all;
  all.push_back({"add", changed([&](auto& backends) { backends.push_back(fresh); }),
                 fresh.weight / (total + fresh.weight)});
  all.push_back(
      {"remove", changed([](auto& backends) { backends.front().weight = 0; }), first / total});
  all.push_back({"reweigh", changed([](auto& backends) { backends.front().weight *= 2; }),
                 2 * first / (total + first) - first / total});
  return all;
}

std::string movement(std::uint64_t users) {
  std::string rows;
  for (const Policy policy : kKeyed) {
    for (const unsigned backends : kSizes) {
      const BackendSet before = make_set(backends, policy);
      const auto old_places = places(before, users);
      for (const Change& change : changes_of(before)) {
        const auto new_places = places(change.after, users);
        std::uint64_t moved = 0;
        for (std::uint64_t user = 0; user < users; ++user) {
          moved += old_places[user] != new_places[user] ? 1U : 0U;
        }
        add(rows,
            fmt::format(
                R"({{"policy": "{}", "backends": {}, "change": "{}", "moved": {:.6f}, "least": {:.6f}}})",
                balance::name(policy), backends, change.name,
                static_cast<double>(moved) / static_cast<double>(users), change.least));
      }
    }
  }
  return rows;
}

std::string bounds(std::uint64_t users) {
  std::string rows;
  for (const unsigned bound : {105U, 110U, 125U}) {
    for (const unsigned backends : kSizes) {
      BackendSet set = make_set(backends, Policy::kUserHash);
      set.load_bound = bound;
      fill(set, users);
      add(rows, fmt::format(R"({{"load_bound": {}, "backends": {}, "highest": {:.6f}}})", bound,
                            backends, std::ranges::max(ratios(set, users))));
    }
  }
  return rows;
}

}  // namespace

std::string properties(std::uint64_t users) {
  return fmt::format(
      R"("properties": {{"users": {}, "shares": [{}], "movement": [{}], "bounds": [{}]}})", users,
      shares(users), movement(users), bounds(users));
}

}  // namespace headgate::bench
