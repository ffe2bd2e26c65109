#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "balance/count_table.h"
#include "base/address.h"
#include "config/config.h"
#include "dialogue/failure.h"
#include "metrics/collector.h"

namespace headgate::server {

// How many sessions are logged in, by what they are limited by: one for the process, whatever
// configurations it has in its life. What keeps its name keeps its count.
class SessionCounts {
 public:
  struct alignas(64) Count {
    std::atomic<std::uint32_t> sessions{0};
    std::atomic<std::uint32_t> held{0};  // of a pool: logins that wait until their users have moved
  };

  explicit SessionCounts(std::uint64_t seed) : networks(seed), user_networks(seed) {}

  // Made if it is new; lives as long as this object. One thread at a time.
  Count& listener(const std::string& name) { return listeners_[name]; }
  Count& pool(const std::string& name) { return pools_[name]; }

  // Any thread.
  balance::CountTable networks;
  balance::CountTable user_networks;

 private:
  std::map<std::string, Count> listeners_;
  std::map<std::string, Count> pools_;
};

// The limits of one configuration on sessions that are logged in: of a listener, a pool, a client's
// network, and a user from one network. (Those of a user and of a backend are the user table's and
// the policies'.) Any thread. A session counts from the moment a backend has let it in: failed
// logins take no one's place.
class SessionLimits {
 public:
  // What one session counts for; nothing at first.
  struct Share {
    std::uint64_t network = 0;  // keys; 0: not counted
    std::uint64_t user_network = 0;
    SessionCounts::Count* listener = nullptr;  // null: nothing is counted
    SessionCounts::Count* pool = nullptr;
  };

  // The configuration must outlive it.
  SessionLimits(const config::Config& config, std::shared_ptr<SessionCounts> counts);

  // What a login from there would be refused for, as far as that is known before the user is.
  [[nodiscard]] std::optional<dialogue::LoginFailure> full(std::size_t listener,
                                                           const IpAddress& client) const;
  [[nodiscard]] bool pool_full(std::size_t pool) const;

  // Counts a session, or says which limit is in its way; then nothing is counted. `user` is the
  // user's key in the user table; `own_limit`: a source has said how many sessions the user may
  // have, which holds instead of what the configuration allows each user from one network.
  std::optional<dialogue::LoginFailure> take(Share& share, std::size_t listener, std::size_t pool,
                                             const IpAddress& client, std::uint64_t user,
                                             bool own_limit = false);
  // The session is over. Does nothing for one that is not counted.
  void give_back(Share& share);

  // Logins of a pool that wait until their users have moved: whoever holds one counts it.
  [[nodiscard]] std::atomic<std::uint32_t>& held_count(std::size_t pool) const {
    return pools_[pool]->held;
  }

  // Every limit that is configured and how near the nearest is; `most_of_a_user` and `users_near`
  // are the user table's.
  [[nodiscard]] std::vector<metrics::LimitFigures> figures(std::uint32_t most_of_a_user,
                                                           std::size_t users_near) const;

 private:
  using Count = SessionCounts::Count;

  // One more unless there are `limit` (0: any number).
  static bool add(Count& count, std::uint32_t limit);
  static void remove(Count& count);
  [[nodiscard]] std::uint64_t network_of(const IpAddress& client) const;  // 0: exempt

  const config::Config& config_;
  std::shared_ptr<SessionCounts> counts_;
  std::vector<Count*> listeners_;  // as config.listeners
  std::vector<Count*> pools_;      // as config.pools
};

// From how many sessions on something counts as near its limit: four fifths of it.
std::uint32_t near_limit(std::uint32_t limit);

}  // namespace headgate::server
