#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "balance/count_table.h"
#include "balance/decaying_counts.h"
#include "base/address.h"
#include "config/config.h"
#include "dialogue/credentials.h"
#include "dialogue/failure.h"
#include "metrics/collector.h"
#include "metrics/labels.h"
#include "net/digest.h"

namespace headgate::server {

// Against those who guess passwords: failed logins are counted by client address, by user, and by
// both together; who has too many waits before the next one is looked at, and then is refused. The
// same wrong password of the same user counts once, however often it comes. Where a user has logged
// in from an address of late, only the failures of these two together count for them, so what
// others do hurts neither those who share an address nor those whose name is known. What a user is
// called decides alone, whether there is such a user or not. One for the process, any thread; fixed
// memory.
class GuessGuard {
 public:
  // The configuration must outlive it.
  GuessGuard(const config::Guessing& config, std::uint64_t seed);

  // What one login counts for; nothing at first.
  struct Attempt {
    std::uint64_t address = 0;  // keys; 0: exempt, and nothing counts
    std::uint64_t network = 0;  // the /48 of an IPv6 address; 0: none
    std::uint64_t user = 0;     // 0: not known yet
    std::uint64_t pair = 0;
    bool under_way = false;
  };
  struct Verdict {
    std::optional<dialogue::LoginFailure> refused;
    metrics::GuessLimit limit = metrics::GuessLimit::kAddress;  // of `refused`
    std::chrono::milliseconds delay{0};                         // before the look-up
  };

  // Before the look-up; from here on the attempt is under way. `user` may be empty. `now_ms` is of
  // a clock that all workers share.
  [[nodiscard]] Verdict begin(Attempt& attempt, const IpAddress& client, std::string_view user,
                              std::int64_t now_ms);
  // The credentials were wrong. False: they have been counted before.
  bool failed(const Attempt& attempt, const dialogue::Credentials& credentials,
              std::int64_t now_ms);
  void succeeded(const Attempt& attempt, std::int64_t now_ms);
  // The client has its answer, or is gone. Once more does no harm.
  void end(Attempt& attempt);

  [[nodiscard]] std::vector<metrics::GuessFigures> figures() const;
  [[nodiscard]] std::size_t bytes() const;  // of the tables, at most

 private:
  // One count and what it leads to.
  struct Count {
    metrics::GuessLimit limit;
    double failures;
    const config::GuessLimit& bounds;
    unsigned scale;  // of the bounds
  };
  static bool at_limit(const Count& count);
  [[nodiscard]] std::chrono::milliseconds delay_of(const Count& count) const;
  [[nodiscard]] bool exempt(const IpAddress& client) const;
  [[nodiscard]] balance::DecayingCounts make_counts(const config::GuessLimit& bounds,
                                                    unsigned scale, std::uint64_t seed) const;

  const config::Guessing& config_;
  const net::Key key_ = net::random_key();
  balance::DecayingCounts addresses_;
  balance::DecayingCounts networks_;
  balance::DecayingCounts users_;
  balance::DecayingCounts pairs_;
  balance::DecayingCounts known_;      // pairs that have logged in
  balance::DecayingCounts passwords_;  // wrong ones that have been counted, by keyed hash
  balance::CountTable under_way_;      // by address
};

}  // namespace headgate::server
