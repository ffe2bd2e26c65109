#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/url.h"
#include "metrics/instruments.h"
#include "metrics/labels.h"
#include "metrics/source_figures.h"

namespace headgate::sources {

// How a request to a lookup server ended; metrics::kLookupResultNames has the names.
enum class RequestResult : std::uint8_t {
  kAccepted,
  kRefused,
  kWait,
  kInvalid,    // an answer that says nothing
  kTimeout,    // none in time
  kFailed,     // no connection, no TLS, no HTTP
  kAbandoned,  // another server answered first
};

// Counts durations into fixed buckets; many writers.
class SharedHistogram {
 public:
  static constexpr const metrics::Bounds& kBounds = metrics::kLoginBounds;
  void observe(std::chrono::microseconds duration);
  [[nodiscard]] std::uint64_t count(std::size_t bucket) const {
    return counts_[bucket].load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t sum_us() const { return sum_us_.load(std::memory_order_relaxed); }

 private:
  std::array<std::atomic<std::uint64_t>, metrics::kHistogramBounds + 1> counts_{};
  std::atomic<std::uint64_t> sum_us_{0};
};

// One server that user sources ask: where it is, whether it is worth asking, and what it
// did. Shared by all workers; everything but the constructor may be called on any thread.
class LookupServer {
 public:
  // A server that failed rests for this long, twice as long with each failure in a row.
  static constexpr std::chrono::milliseconds kFirstRest{1000};
  static constexpr std::chrono::milliseconds kLongestRest{30000};

  explicit LookupServer(Url url);
  // One that is not asked over HTTP; url() means nothing.
  explicit LookupServer(SocketAddress address);
  // One whose address others know: address() means nothing either, and resolve() is not for it.
  explicit LookupServer(std::string name) : name_(std::move(name)) {}

  [[nodiscard]] const Url& url() const { return url_; }
  [[nodiscard]] const SocketAddress& address() const { return address_; }
  [[nodiscard]] const std::string& name() const { return name_; }  // for logs and metrics

  // Asks the resolver; blocks. What it knew before stays where the resolver fails. A Unix socket
  // has no name to resolve.
  void resolve();
  // The one to try first comes first. A Unix socket has none, but where it is asked over HTTP one
  // that means nothing: the URL says where it is.
  [[nodiscard]] std::vector<Endpoint> addresses() const;
  // The first address did not do: another one comes first from now on.
  void rotate() { first_address_.fetch_add(1, std::memory_order_relaxed); }

  enum class Turn : std::uint8_t {
    kUsable,
    kResting,
    kProbe,  // it rested long enough: whoever is told so finds out whether it is back
  };
  // `now_ms` by any monotonic clock that all callers share; a probe that says nothing within
  // `patience` gives the next caller the turn.
  Turn turn(std::int64_t now_ms, std::chrono::milliseconds patience);
  // Whether this is the first failure in a row. Failures of a server that rests are those of
  // requests sent before, and change nothing, but for that of a probe.
  bool note_failure(std::int64_t now_ms, bool probe);
  // Whether it had failed before.
  bool note_success();
  [[nodiscard]] bool is_up() const { return failures_.load(std::memory_order_relaxed) == 0; }

  void count(RequestResult result) {
    results_[static_cast<std::size_t>(result)].fetch_add(1, std::memory_order_relaxed);
  }
  void count_hedge() { hedges_.fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t results(RequestResult result) const {
    return results_[static_cast<std::size_t>(result)].load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t hedges() const { return hedges_.load(std::memory_order_relaxed); }
  SharedHistogram duration;  // of requests that were answered

  // For the metrics page; `source` is the name of the user source.
  [[nodiscard]] metrics::LookupServerFigures figures(const std::string& source) const;

 private:
  void take_literal();

  const Url url_;
  const SocketAddress address_;
  const std::string name_;
  mutable std::mutex mutex_;  // guards addresses_
  std::vector<Endpoint> addresses_;
  std::atomic<std::size_t> first_address_{0};
  std::atomic<std::uint32_t> failures_{0};  // in a row
  std::atomic<std::int64_t> retry_at_ms_{0};
  std::array<std::atomic<std::uint64_t>, metrics::kLookupResultNames.size()> results_{};
  std::atomic<std::uint64_t> hedges_{0};
};

}  // namespace headgate::sources
