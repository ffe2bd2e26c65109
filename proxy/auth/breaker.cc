#include "auth/breaker.h"

#include <algorithm>

#include "base/log.h"

namespace headgate::auth {

Breaker::Pass Breaker::ask(std::int64_t now_ms) {
  const std::int64_t probe_at = probe_at_ms_.load(std::memory_order_relaxed);
  if (probe_at == 0) {
    return Pass::kYes;
  }
  if (now_ms < probe_at || probing_.exchange(true, std::memory_order_acquire)) {
    return Pass::kNo;
  }
  return Pass::kProbe;
}

void Breaker::succeeded(Pass pass) {
  failures_.store(0, std::memory_order_relaxed);
  // A question from before it opened may close it as well: the source answers.
  if (probe_at_ms_.exchange(0, std::memory_order_relaxed) != 0) {
    failed_probes_.store(0, std::memory_order_relaxed);
    log::info("user source answers again", {{"source", source_}});
  }
  abandoned(pass);
}

void Breaker::failed(Pass pass, std::int64_t now_ms, std::uint64_t random, std::string_view why) {
  const unsigned failures = failures_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (pass == Pass::kProbe) {
    const unsigned failed_probes = failed_probes_.fetch_add(1, std::memory_order_relaxed) + 1;
    probe_at_ms_.store(now_ms + pause_ms(failed_probes, random), std::memory_order_relaxed);
    abandoned(pass);
    return;
  }
  std::int64_t closed = 0;
  const std::int64_t pause = pause_ms(0, random);
  if (failures >= options_.failures &&
      probe_at_ms_.compare_exchange_strong(closed, now_ms + pause, std::memory_order_relaxed)) {
    openings_.fetch_add(1, std::memory_order_relaxed);
    log::warning("user source failed too often, not asked for now",
                 {{"source", source_},
                  {"failures", std::uint64_t{failures}},
                  {"pause_ms", pause},
                  {"error", why}});
  }
}

void Breaker::abandoned(Pass pass) {
  if (pass == Pass::kProbe) {
    probing_.store(false, std::memory_order_release);
  }
}

// Doubled with each probe that failed; the last fifth is by chance, so that many proxies do not
// probe in step. Never 0, which would mean closed.
std::int64_t Breaker::pause_ms(unsigned failed_probes, std::uint64_t random) const {
  constexpr unsigned kMostDoublings = 20;
  const std::int64_t doubled = options_.pause.count() << std::min(failed_probes, kMostDoublings);
  const std::int64_t pause = std::min<std::int64_t>(doubled, options_.longest_pause.count());
  const std::int64_t by_chance = pause / 5;
  const auto chance = static_cast<std::uint64_t>(by_chance + 1);
  return std::max<std::int64_t>(1, pause - by_chance + static_cast<std::int64_t>(random % chance));
}

}  // namespace headgate::auth
