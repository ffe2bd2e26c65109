// Buffers of the relay and of secrets.

#include <benchmark/benchmark.h>

#include <string>

#include "base/secret.h"
#include "net/buffer_pool.h"

namespace headgate {
namespace {

void take_and_return_a_buffer(benchmark::State& state) {
  net::BufferPool pool(65'536, 16);
  for (auto _ : state) {
    const auto buffer = pool.take();
    benchmark::DoNotOptimize(buffer.get());
  }
}
BENCHMARK(take_and_return_a_buffer);

// More in flight than stay allocated: what a burst costs.
void take_and_return_a_hundred(benchmark::State& state) {
  net::BufferPool pool(65'536, 16);
  std::vector<net::BufferPool::Buffer> taken;
  taken.reserve(100);
  for (auto _ : state) {
    for (int i = 0; i < 100; ++i) {
      taken.push_back(pool.take());
    }
    benchmark::DoNotOptimize(taken.data());
    taken.clear();
  }
}
BENCHMARK(take_and_return_a_hundred);

void secret_of_a_login(benchmark::State& state) {
  for (auto _ : state) {
    Secret line;
    line.append("a1 LOGIN ");
    line.append("user00001@example.org");
    line.append(' ');
    line.append("\"correct horse\"\r\n");
    benchmark::DoNotOptimize(line.view().data());
  }
}
BENCHMARK(secret_of_a_login);

}  // namespace
}  // namespace headgate
