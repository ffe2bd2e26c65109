#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "balance/backend_set.h"
#include "server/operations/move_log.h"
#include "server/snapshot.h"

namespace headgate::server {

// What an operator has ordered for one backend.
struct BackendOrder {
  balance::Service service = balance::Service::kIn;
  std::optional<unsigned> weight;  // in place of the configuration's
  unsigned rate = 0;               // sessions a second that are ended; 0: none is
  std::int64_t since = 0;          // Unix time
  std::string by;                  // name of the token
  std::int64_t sessions = 0;   // that there were then; 0: not known, since it was before a restart
  std::uint64_t since_ms = 0;  // steady clock; 0: before a restart

  [[nodiscard]] bool changes_nothing() const { return service == balance::Service::kIn && !weight; }
};

// What operators have ordered for backends, by pool and address, and for users, by pool and name.
// Orders about backends that are not there do nothing and are kept: a reload may bring them back.
class Orders {
 public:
  using Key = std::pair<std::string, std::string>;  // pool, and "HOST:PORT" or user in lower case
  // A user's key in a pool of that index: Placement::identity().
  using Identify = std::function<std::uint64_t(std::size_t pool, std::string_view user)>;
  static constexpr std::size_t kMostPins = 100'000;

  [[nodiscard]] const BackendOrder* find(const std::string& pool, const std::string& backend) const;
  // One that changes nothing is forgotten.
  void set(const std::string& pool, const std::string& backend, BackendOrder order);
  [[nodiscard]] const std::map<Key, BackendOrder>& all() const { return orders_; }

  // False: there are kMostPins already.
  bool pin(const std::string& pool, const std::string& user, UserPin pin);
  // False: there was none.
  bool unpin(const std::string& pool, const std::string& user);
  [[nodiscard]] const std::map<Key, UserPin>& pins() const { return pins_; }

  // The pools as the orders want them; those without an order are shared.
  [[nodiscard]] Pools apply(const Pools& pools, const Identify& identify) const;

  // As a state file keeps them, with the moves of users beside them.
  [[nodiscard]] std::string to_json(const MoveLog& moves = MoveLog()) const;
  // The error says what is wrong with the text.
  static std::expected<Orders, std::string> from_json(std::string_view text);

 private:
  [[nodiscard]] bool concern(const std::string& pool) const;
  [[nodiscard]] std::shared_ptr<const balance::PinTable> pin_table(const std::string& pool,
                                                                   std::size_t index,
                                                                   const Identify& identify) const;

  // A pool's pins as workers have them. They share one for as long as the pins stay as they are.
  struct Table {
    std::shared_ptr<const balance::PinTable> pins;
    std::uint64_t names = 0;  // tells apart what configurations make of names
  };
  // Tables that nobody has any more. Sets end on workers' threads, where nobody has the time to
  // free a hundred thousand entries; those who make the next table have.
  struct Gone {
    std::mutex mutex;
    std::vector<std::unique_ptr<const balance::PinTable>> tables;
  };

  std::map<Key, BackendOrder> orders_;
  std::map<Key, UserPin> pins_;
  mutable std::map<std::string, Table> tables_;  // by pool
  std::shared_ptr<Gone> gone_ = std::make_shared<Gone>();
};

std::string_view name(balance::Service service);  // "in_service"

}  // namespace headgate::server
