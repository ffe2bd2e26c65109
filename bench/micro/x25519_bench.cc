// The ways to make a key of X25519, by the key.

#include <benchmark/benchmark.h>
#include <openssl/evp.h>

#include "net/x25519/fresh_pairs.h"
#include "net/x25519/openssl.h"

namespace headgate::bench {
namespace {

void key_by_openssl(::benchmark::State& state) {
  for (auto _ : state) {
    EVP_PKEY_free(EVP_PKEY_Q_keygen(nullptr, nullptr, net::kX25519));
  }
}
BENCHMARK(key_by_openssl);

void fresh(::benchmark::State& state, net::X25519Way way) {
  net::FreshX25519Pairs pairs(way);
  net::X25519Pair pair;
  for (auto _ : state) {
    if (!pairs.take(nullptr, pair)) {
      state.SkipWithError("OpenSSL failed");
      return;
    }
  }
}

void key_by_ladder(::benchmark::State& state) {
  fresh(state, net::X25519Way::kLadder);
}
BENCHMARK(key_by_ladder);

void key_by_batch(::benchmark::State& state) {
  if (!net::has_x25519_batch()) {
    state.SkipWithError("not on this machine");
    return;
  }
  fresh(state, net::X25519Way::kBatch);
}
BENCHMARK(key_by_batch);

}  // namespace
}  // namespace headgate::bench
