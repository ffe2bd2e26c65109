// A page of metrics with 3 to 300 backends: gathering it, and writing it down.

#include <benchmark/benchmark.h>
#include <prometheus/text_serializer.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "metrics/collector.h"
#include "metrics/text_writer.h"

namespace headgate::metrics {
namespace {

std::unique_ptr<Collector> make_collector(std::int64_t count) {
  std::vector<BackendFigures> backends;
  for (std::int64_t at = 0; at < count; ++at) {
    backends.push_back({.pool = "main",
                        .backend = "mail" + std::to_string(at) + ".example.org:993",
                        .sessions = 1000 + at,
                        .failures = 3,
                        .weight = 100,
                        .admission = AdmissionFigures{.limit = 40, .under_way = 2}});
  }
  Sources sources;
  sources.workers = {std::make_shared<WorkerMetrics>(std::vector<std::string>{"imaps", "imap"})};
  sources.backends = [backends] { return backends; };
  return std::make_unique<Collector>(std::move(sources));
}

void metrics_page(benchmark::State& state) {
  const auto collector = make_collector(state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(collector->text().data());
  }
}
BENCHMARK(metrics_page)->Arg(3)->Arg(30)->Arg(300);

void metrics_page_gathered(benchmark::State& state) {
  const auto collector = make_collector(state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(collector->Collect().data());
  }
}
BENCHMARK(metrics_page_gathered)->Arg(3)->Arg(30)->Arg(300);

void metrics_page_written(benchmark::State& state) {
  const auto families = make_collector(state.range(0))->Collect();
  for (auto _ : state) {
    benchmark::DoNotOptimize(to_text(families, 300'000).data());
  }
}
BENCHMARK(metrics_page_written)->Arg(3)->Arg(30)->Arg(300);

void metrics_page_written_by_the_library(benchmark::State& state) {
  const auto families = make_collector(state.range(0))->Collect();
  for (auto _ : state) {
    benchmark::DoNotOptimize(prometheus::TextSerializer().Serialize(families).data());
  }
}
BENCHMARK(metrics_page_written_by_the_library)->Arg(3)->Arg(30)->Arg(300);

}  // namespace
}  // namespace headgate::metrics
