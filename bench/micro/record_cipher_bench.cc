// The two libraries that seal records of TLS 1.3.

#include <benchmark/benchmark.h>

#include <array>
#include <string>

#include "net/record_cipher.h"

namespace headgate::bench {
namespace {

using net::RecordCipher;

constexpr std::array<unsigned char, 16> kKey{1};

// Seals records of as many bytes as the argument says.
void seal(::benchmark::State& state, RecordCipher* cipher) {
  if (cipher == nullptr) {
    state.SkipWithError("not on this machine");
    return;
  }
  const std::string text(static_cast<std::size_t>(state.range(0)), 't');
  std::string out(text.size() + RecordCipher::kTag, '\0');
  constexpr std::array<char, 5> kHeader{23, 3, 3, 0, 0};
  RecordCipher::Nonce nonce{};
  for (auto _ : state) {
    ++nonce[0];
    ::benchmark::DoNotOptimize(cipher->seal(nonce, kHeader, text, {}, out.data()));
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void seal_by_openssl(::benchmark::State& state) {
  seal(state,
       net::openssl_record_cipher(RecordCipher::Suite::kAes128Gcm, RecordCipher::Use::kSeal, kKey)
           .get());
}
BENCHMARK(seal_by_openssl)->Arg(64)->Arg(1024)->Arg(16'384);

void seal_by_ipsec_mb(::benchmark::State& state) {
  seal(state, net::ipsec_mb_record_cipher(RecordCipher::Suite::kAes128Gcm, kKey).get());
}
BENCHMARK(seal_by_ipsec_mb)->Arg(64)->Arg(1024)->Arg(16'384);

}  // namespace
}  // namespace headgate::bench
