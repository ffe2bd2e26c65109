#include "sources/lookup_server.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "net/socket.h"

namespace headgate::sources {
namespace {

// Without the query, which may hold a key.
std::string name_of(Url url) {
  url.target = url.target.substr(0, url.target.find('?'));
  return url.to_string();
}

}  // namespace

void SharedHistogram::observe(std::chrono::microseconds duration) {
  duration = std::max(duration, std::chrono::microseconds::zero());
  const auto bucket = std::ranges::lower_bound(kBounds, duration) - kBounds.begin();
  counts_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_us_.fetch_add(static_cast<std::uint64_t>(duration.count()), std::memory_order_relaxed);
}

LookupServer::LookupServer(Url url)
    : url_(std::move(url)),
      address_{.path = url_.socket, .host = url_.address},
      name_(name_of(url_)) {
  if (url_.socket.empty()) {
    take_literal();
  } else {
    addresses_.emplace_back();
  }
}

LookupServer::LookupServer(SocketAddress address)
    : address_(std::move(address)), name_(address_.to_string()) {
  take_literal();
}

void LookupServer::take_literal() {
  if (auto literal = Endpoint::parse(address_.to_string())) {
    addresses_.push_back(*literal);
  }
}

void LookupServer::resolve() {
  if (!address_.path.empty()) {
    return;
  }
  auto found = net::resolve(address_.host);
  if (!found) {
    log::warning("lookup server's name does not resolve",
                 {{"server", name_}, {"error", found.error()}});
    return;
  }
  const std::lock_guard lock(mutex_);
  addresses_ = *std::move(found);
}

std::vector<Endpoint> LookupServer::addresses() const {
  std::vector<Endpoint> addresses;
  {
    const std::lock_guard lock(mutex_);
    addresses = addresses_;
  }
  if (addresses.size() > 1) {
    const std::size_t first = first_address_.load(std::memory_order_relaxed) % addresses.size();
    std::ranges::rotate(addresses, addresses.begin() + static_cast<std::ptrdiff_t>(first));
  }
  return addresses;
}

LookupServer::Turn LookupServer::turn(std::int64_t now_ms, std::chrono::milliseconds patience) {
  if (is_up()) {
    return Turn::kUsable;
  }
  std::int64_t retry_at = retry_at_ms_.load(std::memory_order_relaxed);
  const bool mine =
      now_ms >= retry_at && retry_at_ms_.compare_exchange_strong(
                                retry_at, now_ms + patience.count(), std::memory_order_relaxed);
  return mine ? Turn::kProbe : Turn::kResting;
}

bool LookupServer::note_failure(std::int64_t now_ms, bool probe) {
  const std::uint32_t before = failures_.load(std::memory_order_relaxed);
  if (before > 0 && !probe && now_ms < retry_at_ms_.load(std::memory_order_relaxed)) {
    return false;
  }
  constexpr std::uint32_t kMostDoublings = 5;
  const auto rest = std::min(kFirstRest * (1 << std::min(before, kMostDoublings)), kLongestRest);
  retry_at_ms_.store(now_ms + rest.count(), std::memory_order_relaxed);
  failures_.store(before + 1, std::memory_order_relaxed);
  return before == 0;
}

bool LookupServer::note_success() {
  return !is_up() && failures_.exchange(0, std::memory_order_relaxed) > 0;
}

metrics::LookupServerFigures LookupServer::figures(const std::string& source) const {
  metrics::LookupServerFigures all{.source = source, .server = name_};
  for (std::size_t at = 0; at < all.requests.size(); ++at) {
    all.requests[at] = results(static_cast<RequestResult>(at));
  }
  all.hedges = hedges();
  all.up = is_up();
  for (std::size_t at = 0; at < all.durations.size(); ++at) {
    all.durations[at] = duration.count(at);
  }
  all.sum_us = duration.sum_us();
  return all;
}

}  // namespace headgate::sources
