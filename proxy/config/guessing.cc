#include "config/guessing.h"

#include <fmt/format.h>

#include "config/scalars.h"

namespace headgate::config {

using namespace std::chrono_literals;

namespace {

constexpr unsigned kMostFailures = 1'000'000;

void check_limit(Reader& reader, const std::string& path, const GuessLimit& limit) {
  if (limit.limit != 0 && limit.limit < limit.free) {
    reader.refuse(reader.has(path + ".limit") ? path + ".limit" : path + ".free",
                  fmt::format("0, or a limit ({}) of at least free ({})", limit.limit, limit.free));
  }
}

Type<GuessLimit> limit_type(const GuessLimit& standard) {
  std::vector<Key<GuessLimit>> keys = {
      key("free", &GuessLimit::free, number(0U, kMostFailures),
          "Failures without any consequence; beyond, logins wait ever longer."),
      key("limit", &GuessLimit::limit, number(0U, kMostFailures),
          "Failures from which on logins are refused. 0: never, and the longest wait comes at ten "
          "times free."),
  };
  keys[0].info.default_text = std::to_string(standard.free);
  keys[1].info.default_text = std::to_string(standard.limit);
  return section<GuessLimit>(std::move(keys), check_limit);
}

}  // namespace

std::vector<Network> loopback_networks() {
  return {Network::parse("127.0.0.0/8").value(), Network::parse("::1").value()};
}

Type<Guessing> guessing_type() {
  const Guessing standard;
  return section<Guessing>({
      key("enabled", &Guessing::enabled, boolean(), "false: nobody is counted, slowed or refused."),
      key("address", &Guessing::address, limit_type(standard.address),
          "Failures from one address (IPv6: its /64; the /48 has four times as many), of users who "
          "have not logged in from there of late."),
      key("user", &Guessing::user, limit_type(standard.user),
          "Failures with one user name, from addresses where the user has not logged in of late."),
      key("pair", &Guessing::pair, limit_type(standard.pair),
          "Failures with one user name from one address."),
      key("forget", &Guessing::forget, duration(1s, 24h),
          "Time in which a count falls from its limit to nothing."),
      key("remember", &Guessing::remember, duration(1s, 10'000h),
          "For how long after a login a user is known at an address."),
      key("max_delay", &Guessing::max_delay, duration(0ms, 60s),
          "How long a login waits at most, just below a limit."),
      key("parallel", &Guessing::parallel, number(1U, kMostFailures),
          "Logins under way from one address at a time, those of users known there apart; more are "
          "refused."),
      key("parallel_suspect", &Guessing::parallel_suspect, number(1U, kMostFailures),
          "The same for an address that has used up its free failures."),
      key("exempt", &Guessing::exempt, list_of(network(), "a list of networks in CIDR form"),
          "Networks from where nothing counts: webmail, large NATs.",
          {.example = R"(["127.0.0.0/8", "::1/128", "192.0.2.10/32"])"}),
      key("entries", &Guessing::entries, number(std::size_t{1024}, std::size_t{100'000'000}),
          "Addresses, users, and so on, that are kept of each kind; 16 bytes each, six kinds."),
  });
}

}  // namespace headgate::config
