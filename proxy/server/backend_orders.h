#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "balance/backend_set.h"
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

// What operators have ordered for backends, by pool and address. Orders for backends that are not
// there do nothing and are kept: a reload may bring them back.
class BackendOrders {
 public:
  using Key = std::pair<std::string, std::string>;  // pool, "HOST:PORT"

  [[nodiscard]] const BackendOrder* find(const std::string& pool, const std::string& backend) const;
  // One that changes nothing is forgotten.
  void set(const std::string& pool, const std::string& backend, BackendOrder order);
  [[nodiscard]] const std::map<Key, BackendOrder>& all() const { return orders_; }

  // The pools as the orders want them; those without an order are shared.
  [[nodiscard]] Pools apply(const Pools& pools) const;

  // As a state file keeps them.
  [[nodiscard]] std::string to_json() const;
  // The error says what is wrong with the text.
  static std::expected<BackendOrders, std::string> from_json(std::string_view text);

 private:
  std::map<Key, BackendOrder> orders_;
};

std::string_view name(balance::Service service);  // "in_service"

}  // namespace headgate::server
