// The choice of a backend, from 3 to 300 of them.

#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "balance/backend_set.h"

namespace headgate::balance {
namespace {

BackendSet make_set(std::int64_t count) {
  BackendSet set;
  set.pool = "main";
  for (std::int64_t i = 0; i < count; ++i) {
    Backend backend;
    backend.address.host = "mail" + std::to_string(i) + ".example.org";
    backend.address.port = 143;
    backend.hash = backend_key(backend.address);
    backend.state = std::make_shared<BackendState>();
    set.backends.push_back(std::move(backend));
  }
  return set;
}

void first_choice(benchmark::State& state) {
  const BackendSet set = make_set(state.range(0));
  std::uint64_t user = user_key("user00001@example.org");
  for (auto _ : state) {
    benchmark::DoNotOptimize(first_by_user_hash(set, user, 0));
    user = user * 6364136223846793005U + 1;
  }
}
BENCHMARK(first_choice)->Arg(3)->Arg(30)->Arg(300);

void whole_order(benchmark::State& state) {
  const BackendSet set = make_set(state.range(0));
  std::uint64_t user = user_key("user00001@example.org");
  for (auto _ : state) {
    benchmark::DoNotOptimize(by_user_hash(set, user, 0).order.data());
    user = user * 6364136223846793005U + 1;
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
