#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "balance/backend_set.h"
#include "base/address.h"
#include "net/timer_wheel.h"
#include "server/generation.h"
#include "server/session/backend_leg.h"

namespace headgate::server {

class Worker;

// Connections to backends that wait behind the greeting for a user, so that a login takes one round
// trip to its backend instead of three. Each worker has its own. How many a backend gets, and for
// how long one waits, is in the pool's configuration (`ready_connections`, `ready_for`); a backend
// that is down, takes no new users or has left its pool gets none.
class ReadyConnections {
 public:
  explicit ReadyConnections(Worker& worker);
  ~ReadyConnections();
  ReadyConnections(const ReadyConnections&) = delete;
  ReadyConnections& operator=(const ReadyConnections&) = delete;

  // From here on they are made by this configuration; those made by an older one go.
  void start(std::shared_ptr<const Generation> generation);
  void stop();  // all of them go, for good

  // The one that has waited longest for a user of this backend; null: there is none that was made
  // by this configuration. To be replaced at the end of the turn, when the login is on its way.
  std::unique_ptr<BackendLeg> take(const Generation& generation, std::size_t pool,
                                   const balance::Backend& backend, const Endpoint& endpoint);
  void replace_taken();

 private:
  struct Waiting;
  struct Shelf;  // those of one backend of one pool
  using Shelves = std::unordered_map<std::uint64_t, std::unique_ptr<Shelf>>;  // by Backend::hash

  static void on_ready(void* waiting, unsigned ready) noexcept;
  static void on_timer(void* waiting) noexcept;
  static void on_round(void* self) noexcept;

  void clear();
  void round();
  [[nodiscard]] const config::Pool& config_of(std::size_t pool) const;
  void tend(std::size_t pool, const balance::BackendSet& set);
  void drop_others(Shelf& shelf);
  void fill(Shelf& shelf);
  void after(Waiting& waiting, BackendLeg::Status status);
  void failed(Waiting& waiting);
  void remove(Waiting& waiting);
  void count(std::int64_t change);

  Worker& worker_;
  std::shared_ptr<const Generation> generation_;  // null: stopped
  std::vector<Shelves> pools_;                    // as config.pools
  std::vector<Shelf*> taken_from_;
  net::Timer round_;
};

}  // namespace headgate::server
