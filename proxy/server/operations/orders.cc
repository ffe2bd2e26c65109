#include "server/operations/orders.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>

namespace headgate::server {
namespace {

using balance::Service;
using nlohmann::json;

constexpr int kVersion = 1;
constexpr std::array<std::pair<Service, std::string_view>, 4> kServices = {
    {{Service::kIn, "in_service"},
     {Service::kDraining, "draining"},
     {Service::kMoving, "moving"},
     {Service::kDisabled, "disabled"}}};

void apply_to(balance::Backend& backend, const BackendOrder& order) {
  backend.service = order.service;
  backend.weight = order.weight.value_or(backend.weight);
  if (order.service == Service::kDisabled) {
    backend.endpoints.clear();  // so that nothing can connect, whatever led here
  }
}

std::optional<Service> service_of(const json& text) {
  const auto known = std::ranges::find_if(kServices, [&](const auto& one) {
    return text.is_string() && text.get_ref<const std::string&>() == one.second;
  });
  return known == kServices.end() ? std::nullopt : std::optional(known->first);
}

// A member of an entry; null when it has none of that name.
const json& member_of(const json& entry, const char* key) {
  static const json kNothing;
  if (!entry.is_object()) {
    return kNothing;
  }
  const auto found = entry.find(key);
  return found != entry.end() ? *found : kNothing;
}

// nullopt, as with read_pin(): the entry is not what to_json() writes.
std::optional<std::pair<Orders::Key, BackendOrder>> read_entry(const json& entry) {
  const auto member = [&](const char* key) -> const json& { return member_of(entry, key); };
  const json& weight = member("weight");
  const auto service = service_of(member("service"));
  if (!member("pool").is_string() || !member("backend").is_string() || !member("by").is_string() ||
      !member("since").is_number_integer() || !member("rate").is_number_unsigned() || !service ||
      !(weight.is_null() || weight.is_number_unsigned())) {
    return std::nullopt;
  }
  BackendOrder order{.service = *service,
                     .weight = {},
                     .rate = member("rate").get<unsigned>(),
                     .since = member("since").get<std::int64_t>(),
                     .by = member("by").get<std::string>()};
  if (!weight.is_null()) {
    order.weight = weight.get<unsigned>();
  }
  return std::pair(
      Orders::Key(member("pool").get<std::string>(), member("backend").get<std::string>()),
      std::move(order));
}

std::optional<std::pair<Orders::Key, UserPin>> read_pin(const json& entry) {
  for (const char* key : {"pool", "user", "backend", "by"}) {
    if (!member_of(entry, key).is_string()) {
      return std::nullopt;
    }
  }
  if (!member_of(entry, "since").is_number_integer()) {
    return std::nullopt;
  }
  return std::pair(Orders::Key(member_of(entry, "pool").get<std::string>(),
                               member_of(entry, "user").get<std::string>()),
                   UserPin{.backend = member_of(entry, "backend").get<std::string>(),
                           .since = member_of(entry, "since").get<std::int64_t>(),
                           .by = member_of(entry, "by").get<std::string>()});
}

}  // namespace

std::string_view name(Service service) {
  return kServices[static_cast<std::size_t>(service)].second;
}

const BackendOrder* Orders::find(const std::string& pool, const std::string& backend) const {
  const auto found = orders_.find({pool, backend});
  return found == orders_.end() ? nullptr : &found->second;
}

void Orders::set(const std::string& pool, const std::string& backend, BackendOrder order) {
  if (order.changes_nothing()) {
    orders_.erase({pool, backend});
  } else {
    orders_.insert_or_assign({pool, backend}, std::move(order));
  }
}

bool Orders::pin(const std::string& pool, const std::string& user, UserPin pin) {
  const Key key{pool, user};
  if (pins_.size() >= kMostPins && !pins_.contains(key)) {
    return false;
  }
  pins_.insert_or_assign(key, std::move(pin));
  tables_.erase(pool);
  return true;
}

bool Orders::unpin(const std::string& pool, const std::string& user) {
  tables_.erase(pool);
  return pins_.erase({pool, user}) != 0;
}

bool Orders::concern(const std::string& pool) const {
  const auto any = [&](const auto& by_key) {
    const auto first = by_key.lower_bound({pool, std::string()});
    return first != by_key.end() && first->first.first == pool;
  };
  return any(orders_) || any(pins_);
}

std::shared_ptr<const balance::PinTable> Orders::pin_table(const std::string& pool,
                                                           std::size_t index,
                                                           const Identify& identify) const {
  const std::uint64_t names = identify(index, "name+detail");
  const auto known = tables_.find(pool);
  if (known != tables_.end() && known->second.names == names) {
    return known->second.pins;
  }
  {
    std::vector<std::unique_ptr<const balance::PinTable>> gone;  // freed without the lock
    const std::lock_guard lock(gone_->mutex);
    gone.swap(gone_->tables);
  }
  auto table = std::make_unique<balance::PinTable>();
  for (auto at = pins_.lower_bound({pool, std::string()});
       at != pins_.end() && at->first.first == pool; ++at) {
    if (const auto backend = HostPort::parse(at->second.backend)) {
      table->insert_or_assign(identify(index, at->first.second), balance::backend_key(*backend));
    }
  }
  std::shared_ptr<const balance::PinTable> pins;
  if (!table->empty()) {
    pins = {table.release(), [gone = gone_](const balance::PinTable* last) {
              const std::lock_guard lock(gone->mutex);
              gone->tables.emplace_back(last);
            }};
  }
  tables_.insert_or_assign(pool, Table{.pins = pins, .names = names});
  return pins;
}

Pools Orders::apply(const Pools& pools, const Identify& identify) const {
  Pools ordered = pools;
  for (std::size_t index = 0; index < ordered.size(); ++index) {
    auto& set = ordered[index];
    if (!concern(set->pool)) {
      continue;
    }
    auto changed = std::make_shared<balance::BackendSet>(*set);
    for (balance::Backend& backend : changed->backends) {
      if (const BackendOrder* order = find(set->pool, backend.address.to_string())) {
        apply_to(backend, *order);
      }
    }
    changed->pins = pin_table(set->pool, index, identify);
    balance::prepare(*changed);
    set = std::move(changed);
  }
  return ordered;
}

std::string Orders::to_json(const MoveLog& moves) const {
  json backends = json::array();
  for (const auto& [key, order] : orders_) {
    json entry = {{"pool", key.first}, {"backend", key.second}, {"service", name(order.service)},
                  {"weight", nullptr}, {"rate", order.rate},    {"since", order.since},
                  {"by", order.by}};
    if (order.weight) {
      entry["weight"] = *order.weight;
    }
    backends.push_back(std::move(entry));
  }
  json pins = json::array();
  for (const auto& [key, pin] : pins_) {
    pins.push_back({{"pool", key.first},
                    {"user", key.second},
                    {"backend", pin.backend},
                    {"since", pin.since},
                    {"by", pin.by}});
  }
  return json({{"version", kVersion},
               {"backends", std::move(backends)},
               {"pins", std::move(pins)},
               {"moves", moves.to_json()}})
             .dump(2, ' ', false, json::error_handler_t::replace) +
         "\n";
}

std::expected<Orders, std::string> Orders::from_json(std::string_view text) {
  const json state = json::parse(text, nullptr, false);
  if (!state.is_object() || !state.contains("version") || state["version"] != kVersion ||
      !state.contains("backends") || !state["backends"].is_array()) {
    return std::unexpected(
        fmt::format("expected a JSON object with version {} and a list of backends", kVersion));
  }
  Orders orders;
  std::size_t at = 0;
  for (const json& entry : state["backends"]) {
    auto order = read_entry(entry);
    if (!order) {
      return std::unexpected(fmt::format(
          "backends[{}]: expected pool, backend, service, weight, rate, since and by", at));
    }
    orders.set(order->first.first, order->first.second, std::move(order->second));
    ++at;
  }
  at = 0;
  for (const json& entry : state.value("pins", json::array())) {
    auto pin = read_pin(entry);
    if (!pin || !orders.pin(pin->first.first, pin->first.second, std::move(pin->second))) {
      return std::unexpected(
          fmt::format("pins[{}]: expected pool, user, backend, since and by", at));
    }
    ++at;
  }
  return orders;
}

}  // namespace headgate::server
