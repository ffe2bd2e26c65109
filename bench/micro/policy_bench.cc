// The choice of a backend, from 3 to 300 of them, by every policy.

#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "balance/policy.h"

namespace headgate::balance {
namespace {

BackendSet make_set(std::int64_t count, Policy policy) {
  BackendSet set;
  set.pool = "main";
  set.policy = policy;
  for (std::int64_t i = 0; i < count; ++i) {
    Backend backend;
    backend.address.host = "mail" + std::to_string(i) + ".example.org";
    backend.address.port = 143;
    backend.endpoints = {Endpoint{}};
    backend.hash = backend_key(backend.address);
    backend.state = std::make_shared<BackendState>();
    backend.state->sessions = 1000 + i % 7;
    set.backends.push_back(std::move(backend));
  }
  prepare(set);
  return set;
}

Request next(const Request& last) {
  const std::uint64_t user = last.user * 6364136223846793005U + 1;
  return {.user = user, .source = ~user, .random = user ^ 77, .turn = last.turn + 1, .now_ms = 1};
}

void choice(benchmark::State& state, const BackendSet& set) {
  Request request = next({.user = user_key("user00001@example.org")});
  for (auto _ : state) {
    benchmark::DoNotOptimize(choose(set, request));
    request = next(request);
  }
}

void best_choice(benchmark::State& state, Policy policy) {
  choice(state, make_set(state.range(0), policy));
}
BENCHMARK_CAPTURE(best_choice, user_hash, Policy::kUserHash)->Arg(3)->Arg(30)->Arg(300);
BENCHMARK_CAPTURE(best_choice, least_sessions, Policy::kLeastSessions)->Arg(30)->Arg(300);
BENCHMARK_CAPTURE(best_choice, power_of_two, Policy::kPowerOfTwo)->Arg(30)->Arg(300);
BENCHMARK_CAPTURE(best_choice, round_robin, Policy::kRoundRobin)->Arg(30)->Arg(300);
BENCHMARK_CAPTURE(best_choice, random, Policy::kRandom)->Arg(30)->Arg(300);
BENCHMARK_CAPTURE(best_choice, first, Policy::kFirst)->Arg(30)->Arg(300);
BENCHMARK_CAPTURE(best_choice, source_hash, Policy::kSourceHash)->Arg(30)->Arg(300);

void bounded_choice(benchmark::State& state) {
  BackendSet set = make_set(state.range(0), Policy::kUserHash);
  set.load_bound = 125;
  choice(state, set);
}
BENCHMARK(bounded_choice)->Arg(30)->Arg(300);

void choice_by_many_weights(benchmark::State& state) {
  BackendSet set = make_set(300, Policy::kUserHash);
  for (std::size_t at = 0; at < set.backends.size(); ++at) {
    set.backends[at].weight =
        static_cast<unsigned>(100 + at % static_cast<std::size_t>(state.range(0)));
  }
  prepare(set);
  choice(state, set);
}
BENCHMARK(choice_by_many_weights)->Arg(3)->Arg(100);

void choice_with_a_canary(benchmark::State& state) {
  BackendSet set = make_set(state.range(0), Policy::kUserHash);
  set.backends.back().share = 200;
  prepare(set);
  choice(state, set);
}
BENCHMARK(choice_with_a_canary)->Arg(300);

void choice_while_one_is_down(benchmark::State& state) {
  BackendSet set = make_set(state.range(0), Policy::kUserHash);
  Request request = next({.user = user_key("user00001@example.org")});
  const Backend& best = set.backends[choose(set, request).value()];
  best.state->retry_at_ms = 1'000'000;
  for (auto _ : state) {
    benchmark::DoNotOptimize(choose(set, request));
  }
}
BENCHMARK(choice_while_one_is_down)->Arg(300);

void whole_order(benchmark::State& state) {
  const BackendSet set = make_set(state.range(0), Policy::kUserHash);
  Request request = next({.user = user_key("user00001@example.org")});
  for (auto _ : state) {
    benchmark::DoNotOptimize(order(set, request).order.data());
    request = next(request);
  }
}
BENCHMARK(whole_order)->Arg(3)->Arg(30)->Arg(300);

void hash_of_a_user(benchmark::State& state) {
  const std::string user = "First.Lastname@subdomain.example.org";
  for (auto _ : state) {
    benchmark::DoNotOptimize(user_key(user));
  }
}
BENCHMARK(hash_of_a_user);

}  // namespace
}  // namespace headgate::balance
