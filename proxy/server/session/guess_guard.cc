#include "server/session/guess_guard.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "balance/bid.h"
#include "balance/siphash.h"

namespace headgate::server {

using dialogue::LoginFailure;
using metrics::GuessLimit;

namespace {

constexpr unsigned kAllOfIpv4 = 32;
constexpr unsigned kHousehold = 64;  // what one customer has of IPv6, at least
constexpr unsigned kSite = 48;       // and at most, but for providers; has many of the former
constexpr unsigned kSiteScale = 4;
// Without a limit the delay is longest at so many times the free failures.
constexpr unsigned kLongestAt = 10;
// Counts fall continuously: what was a whole number a moment ago counts as that.
constexpr double kMoment = 0.5;
// For how long a wrong password is known: some devices ask once a day.
constexpr double kPasswordSeconds = 25 * 3600;

double full(const config::GuessLimit& bounds) {
  return bounds.limit != 0 ? bounds.limit : std::max(bounds.free, 1U) * kLongestAt;
}

std::uint64_t not_zero(std::uint64_t key) {
  return std::max<std::uint64_t>(key, 1);
}

double seconds(std::chrono::seconds duration) {
  return static_cast<double>(duration.count());
}

LoginFailure failure_of(GuessLimit limit) {
  return limit == GuessLimit::kUser ? LoginFailure::kUserGuessed : LoginFailure::kGuessing;
}

}  // namespace

GuessGuard::GuessGuard(const config::Guessing& config, std::uint64_t seed)
    : config_(config),
      addresses_(make_counts(config.address, 1, seed)),
      networks_(make_counts(config.address, kSiteScale, seed)),
      users_(make_counts(config.user, 1, seed)),
      pairs_(make_counts(config.pair, 1, seed)),
      known_(config.entries, 1 / seconds(config.remember), seed),
      passwords_(config.entries, 1 / kPasswordSeconds, seed),
      under_way_(seed) {}

balance::DecayingCounts GuessGuard::make_counts(const config::GuessLimit& bounds, unsigned scale,
                                                std::uint64_t seed) const {
  return {config_.entries, scale * full(bounds) / seconds(config_.forget), seed};
}

bool GuessGuard::exempt(const IpAddress& client) const {
  return !config_.enabled || std::ranges::any_of(config_.exempt, [&](const Network& network) {
    return network.contains(client);
  });
}

bool GuessGuard::at_limit(const Count& count) {
  return count.bounds.limit != 0 && count.failures + kMoment >= count.bounds.limit * count.scale;
}

std::chrono::milliseconds GuessGuard::delay_of(const Count& count) const {
  const double free = count.bounds.free * count.scale;
  const double over = count.failures + kMoment - free;
  if (over < 0) {
    return std::chrono::milliseconds(0);
  }
  const double share = std::min((over + 1) / (full(count.bounds) * count.scale - free + 1), 1.0);
  return std::chrono::milliseconds(
      static_cast<std::int64_t>(share * static_cast<double>(config_.max_delay.count())));
}

GuessGuard::Verdict GuessGuard::begin(Attempt& attempt, const IpAddress& client,
                                      std::string_view user, std::int64_t now_ms) {
  attempt = {};
  if (exempt(client)) {
    return {};
  }
  attempt.address = not_zero(balance::network_key(client, kAllOfIpv4, kHousehold));
  if (client.is_v6()) {
    attempt.network = not_zero(balance::network_key(client, kAllOfIpv4, kSite));
  }
  if (!user.empty()) {
    attempt.user = not_zero(balance::SipHash::of_lower_case(user));
    attempt.pair = not_zero(balance::mix(attempt.address) ^ attempt.user);
  }
  const bool known = attempt.pair != 0 && known_.count(attempt.pair, now_ms) > 0;
  const auto of = [&](const balance::DecayingCounts& counts, std::uint64_t key, bool counts_here) {
    return key != 0 && counts_here ? counts.count(key, now_ms) : 0;
  };
  const std::array<Count, 4> counts = {{
      {GuessLimit::kPair, of(pairs_, attempt.pair, true), config_.pair, 1},
      {GuessLimit::kAddress, of(addresses_, attempt.address, !known), config_.address, 1},
      {GuessLimit::kNetwork, of(networks_, attempt.network, !known), config_.address, kSiteScale},
      {GuessLimit::kUser, of(users_, attempt.user, !known), config_.user, 1},
  }};
  Verdict verdict;
  for (const Count& count : counts) {
    if (at_limit(count)) {
      return {.refused = failure_of(count.limit), .limit = count.limit};
    }
    verdict.delay = std::max(verdict.delay, delay_of(count));
  }
  if (!known) {
    const bool suspect = counts[1].failures + kMoment >= config_.address.free;
    const unsigned most = suspect ? config_.parallel_suspect : config_.parallel;
    if (!under_way_.add(attempt.address, most)) {
      return {.refused = failure_of(GuessLimit::kParallel), .limit = GuessLimit::kParallel};
    }
    attempt.under_way = true;
  }
  return verdict;
}

bool GuessGuard::failed(const Attempt& attempt, const dialogue::Credentials& credentials,
                        std::int64_t now_ms) {
  if (attempt.address == 0) {
    return true;
  }
  const net::Key hash = net::keyed_hash(key_, {credentials.user, credentials.secret.view()});
  std::uint64_t password = 0;
  std::memcpy(&password, hash.data(), sizeof(password));
  password = not_zero(password);
  // An exchange does not tell which password it was that was wrong.
  const bool repeated = !credentials.by_exchange() && passwords_.count(password, now_ms) > 0;
  passwords_.add(password, now_ms, 1);
  if (repeated) {
    return false;
  }
  addresses_.add(attempt.address, now_ms);
  if (attempt.network != 0) {
    networks_.add(attempt.network, now_ms);
  }
  if (attempt.user != 0) {
    users_.add(attempt.user, now_ms);
    pairs_.add(attempt.pair, now_ms);
  }
  return true;
}

void GuessGuard::succeeded(const Attempt& attempt, std::int64_t now_ms) {
  if (attempt.pair != 0) {
    known_.add(attempt.pair, now_ms, 1);
  }
}

void GuessGuard::end(Attempt& attempt) {
  if (attempt.under_way) {
    under_way_.remove(attempt.address);
    attempt.under_way = false;
  }
}

std::vector<metrics::GuessFigures> GuessGuard::figures() const {
  return {{"address", addresses_.keys()}, {"network", networks_.keys()},
          {"user", users_.keys()},        {"pair", pairs_.keys()},
          {"known", known_.keys()},       {"password", passwords_.keys()}};
}

std::size_t GuessGuard::bytes() const {
  return addresses_.bytes() + networks_.bytes() + users_.bytes() + pairs_.bytes() + known_.bytes() +
         passwords_.bytes();
}

}  // namespace headgate::server
