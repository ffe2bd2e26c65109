// A day in the life of a big pool: backends join, leave, fail and come back, and every user is
// placed anew after each event. How many move against how many must, how even the load is, and what
// a decision and an entry of the user table cost. Prints JSON; `scripts/bench simulation` makes the
// table of docs/performance.md from it.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <ctime>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "balance/policy.h"
#include "balance/user_table.h"
#include "pool.h"
#include "properties.h"

namespace headgate::bench {
namespace {

using balance::Backend;
using balance::BackendSet;
using balance::Policy;

struct Options {
  std::uint64_t users = 10'000'000;
  unsigned backends = 300;
  unsigned threads = 2;
};

// CPU time of this thread: what others do on the machine does not count.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

class Day {
 public:
  explicit Day(const Options& options)
      : options_(options),
        set_(make_set(options.backends, Policy::kUserHash)),
        places_(options.users),
        next_number_(options.backends) {
    place();
  }

  void run() {
    std::mt19937_64 random(20);
    for (unsigned hour = 0; hour < 24; ++hour) {
      const std::size_t some = random() % set_.backends.size();
      switch (hour % 6) {
        case 0:
          join();
          break;
        case 1:
        case 3:
          fail(some);
          break;
        case 2:
        case 4:
          come_back();
          break;
        default:
          hour % 12 == 5 ? leave(some) : reweigh(some);
      }
    }
  }

  [[nodiscard]] std::string json() const {
    std::string rows;
    for (const auto& [name, kind] : kinds_) {
      fmt::format_to(std::back_inserter(rows),
                     R"({}{{"event": "{}", "times": {}, "moved": {}, "least": {}}})",
                     rows.empty() ? "" : ", ", name, kind.times, kind.moved, kind.least);
    }
    return fmt::format(R"("events": [{}], "decision_ns": {:.0f}, "users_over_mean": {:.4f}, )"
                       R"("set_bytes": {})",
                       rows, decision_ns_, worst_, set_.slots.size() * sizeof(balance::Slot));
  }

 private:
  struct Kind {
    unsigned times = 0;
    double moved = 0;  // shares of all users
    double least = 0;
  };

  // Share of the users by weight that `backend` should have.
  [[nodiscard]] double share(const Backend& backend) const {
    double total = 0;
    for (const Backend& each : set_.backends) {
      total += up(each) ? each.weight : 0;
    }
    return backend.weight / total;
  }
  static bool up(const Backend& backend) { return balance::is_up(backend, 0); }

  void join() {
    set_.backends.push_back(make_backend(next_number_++, 150));
    after("join", share(set_.backends.back()));
  }
  void leave(std::size_t at) {
    const double least = share(set_.backends[at]);
    set_.backends[at].weight = 0;
    after("leave", least);
  }
  void fail(std::size_t at) {
    const double least = share(set_.backends[at]);
    failed_ = at;
    set_.backends[at].state->retry_at_ms = 1;
    after("failure", least);
  }
  void come_back() {
    set_.backends[failed_].state->retry_at_ms = 0;
    after("return", share(set_.backends[failed_]));
  }
  void reweigh(std::size_t at) {
    const double before = share(set_.backends[at]);
    set_.backends[at].weight *= 2;
    after("doubled weight", share(set_.backends[at]) - before);
  }

  void after(const std::string& event, double least) {
    balance::prepare(set_);
    const std::uint64_t moved = place();
    Kind& kind = kinds_[event];
    ++kind.times;
    kind.moved += static_cast<double>(moved) / static_cast<double>(options_.users);
    kind.least += least;
  }

  // Places every user; how many are not where they were.
  std::uint64_t place() {
    struct alignas(64) Part {
      std::uint64_t moved = 0;
      double cpu = 0;
    };
    std::vector<Part> parts(options_.threads);
    std::vector<std::thread> threads;
    for (unsigned thread = 0; thread < options_.threads; ++thread) {
      threads.emplace_back([&, thread] {
        const double begin = cpu_seconds();
        for (std::uint64_t user = thread; user < options_.users; user += options_.threads) {
          const auto at =
              static_cast<std::uint16_t>(balance::choose(set_, {.user = key_of(user)}).value());
          parts[thread].moved += places_[user] != at ? 1U : 0U;
          places_[user] = at;
        }
        parts[thread].cpu = cpu_seconds() - begin;
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    std::uint64_t moved = 0;
    double cpu = 0;
    for (const Part& part : parts) {
      moved += part.moved;
      cpu += part.cpu;
    }
    const double ns = cpu * 1e9 / static_cast<double>(options_.users);
    decision_ns_ = decision_ns_ == 0 ? ns : std::min(decision_ns_, ns);
    note_spread();
    return moved;
  }

  void note_spread() {
    std::vector<double> counts(set_.backends.size());
    for (const std::uint16_t at : places_) {
      ++counts[at];
    }
    for (std::size_t at = 0; at < counts.size(); ++at) {
      const Backend& backend = set_.backends[at];
      if (backend.weight != 0 && up(backend)) {
        worst_ =
            std::max(worst_, counts[at] / (share(backend) * static_cast<double>(options_.users)));
      }
    }
  }

  const Options& options_;
  BackendSet set_;
  std::vector<std::uint16_t> places_;
  unsigned next_number_;
  std::size_t failed_ = 0;
  std::map<std::string, Kind> kinds_;
  double decision_ns_ = 0;  // of the quietest placing
  double worst_ = 0;        // users of a backend by its share of them, after any event
};

// Every user logs in once and stays: the fullest backend by its share, and the cost of a decision.
std::string spread(const Options& options, Policy policy, unsigned load_bound) {
  BackendSet set = make_set(options.backends, policy);
  set.load_bound = load_bound;
  const std::uint64_t users = options.users / 10;
  double weights = 0;
  for (const Backend& backend : set.backends) {
    weights += backend.weight;
  }
  const double begin = cpu_seconds();
  for (std::uint64_t user = 0; user < users; ++user) {
    const std::uint64_t key = key_of(user);
    const auto at = balance::choose(
        set, {.user = key, .source = ~key, .random = balance::mix(~key), .turn = user});
    ++set.backends[at.value()].state->sessions;
  }
  const double ns = (cpu_seconds() - begin) * 1e9 / static_cast<double>(users);
  double worst = 0;
  for (const Backend& backend : set.backends) {
    const double fair = static_cast<double>(users) * backend.weight / weights;
    worst = std::max(worst, static_cast<double>(backend.state->sessions) / fair);
  }
  return fmt::format(
      R"({{"policy": "{}", "load_bound": {}, "over_mean": {:.4f}, "decision_ns": {:.0f}}})",
      balance::name(policy), load_bound, worst, ns);
}

std::string user_table(const Options& options) {
  const std::uint64_t users = options.users / 5;
  balance::UserTable table(users * 2, 12345);
  std::vector<balance::UserLease> leases(users);
  const double begin = cpu_seconds();
  for (std::uint64_t user = 0; user < users; ++user) {
    leases[user] = table
                       .join(key_of(user),
                             [user](const balance::UserTable::Place*) {
                               return std::optional(balance::UserTable::Decision{.backend = user});
                             })
                       ->lease;
    table.establish(leases[user], 0);
  }
  const double login_ns = (cpu_seconds() - begin) * 1e9 / static_cast<double>(users);
  const double bytes = static_cast<double>(table.stats().bytes) / static_cast<double>(users);
  const double end = cpu_seconds();
  for (balance::UserLease& lease : leases) {
    table.leave(lease);
  }
  const double leave_ns = (cpu_seconds() - end) * 1e9 / static_cast<double>(users);
  return fmt::format(
      R"("user_table": {{"users": {}, "login_ns": {:.0f}, "end_ns": {:.0f}, "bytes": {:.1f}}})",
      users, login_ns, leave_ns, bytes);
}

int run(int argc, char** argv) {
  Options options;
  CLI::App app("Simulates a day of a pool of backends");
  app.add_option("--users", options.users)->check(CLI::Range(1000, 100'000'000));
  app.add_option("--backends", options.backends)->check(CLI::Range(2, 10'000));
  app.add_option("--threads", options.threads)->check(CLI::Range(1, 64));
  CLI11_PARSE(app, argc, argv);

  Day day(options);
  day.run();
  std::string spreads;
  for (const auto& [policy, bound] :
       std::vector<std::pair<Policy, unsigned>>{{Policy::kUserHash, 0},
                                                {Policy::kUserHash, 110},
                                                {Policy::kLeastSessions, 0},
                                                {Policy::kPowerOfTwo, 0},
                                                {Policy::kRoundRobin, 0},
                                                {Policy::kRandom, 0}}) {
    spreads += (spreads.empty() ? "" : ", ") + spread(options, policy, bound);
  }
  fmt::print(R"({{"users": {}, "backends": {}, {}, "spreads": [{}], {}, {}}})"
             "\n",
             options.users, options.backends, day.json(), spreads, user_table(options),
             properties(options.users / 10));
  return 0;
}

}  // namespace
}  // namespace headgate::bench

int main(int argc, char** argv) {
  return headgate::bench::run(argc, argv);
}
