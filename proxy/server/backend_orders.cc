#include "server/backend_orders.h"

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

// nullopt: the entry is not what to_json() writes.
std::optional<std::pair<BackendOrders::Key, BackendOrder>> read_entry(const json& entry) {
  static const json kNothing;
  const auto member = [&](const char* key) -> const json& {
    const auto found = entry.is_object() ? entry.find(key) : entry.end();
    return entry.is_object() && found != entry.end() ? *found : kNothing;
  };
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
      BackendOrders::Key(member("pool").get<std::string>(), member("backend").get<std::string>()),
      std::move(order));
}

}  // namespace

std::string_view name(Service service) {
  return kServices[static_cast<std::size_t>(service)].second;
}

const BackendOrder* BackendOrders::find(const std::string& pool, const std::string& backend) const {
  const auto found = orders_.find({pool, backend});
  return found == orders_.end() ? nullptr : &found->second;
}

void BackendOrders::set(const std::string& pool, const std::string& backend, BackendOrder order) {
  if (order.changes_nothing()) {
    orders_.erase({pool, backend});
  } else {
    orders_.insert_or_assign({pool, backend}, std::move(order));
  }
}

Pools BackendOrders::apply(const Pools& pools) const {
  Pools ordered = pools;
  for (auto& set : ordered) {
    const auto first = orders_.lower_bound({set->pool, std::string()});
    if (first == orders_.end() || first->first.first != set->pool) {
      continue;
    }
    auto changed = std::make_shared<balance::BackendSet>(*set);
    for (balance::Backend& backend : changed->backends) {
      if (const BackendOrder* order = find(set->pool, backend.address.to_string())) {
        apply_to(backend, *order);
      }
    }
    balance::prepare(*changed);
    set = std::move(changed);
  }
  return ordered;
}

std::string BackendOrders::to_json() const {
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
  return json({{"version", kVersion}, {"backends", std::move(backends)}})
             .dump(2, ' ', false, json::error_handler_t::replace) +
         "\n";
}

std::expected<BackendOrders, std::string> BackendOrders::from_json(std::string_view text) {
  const json state = json::parse(text, nullptr, false);
  if (!state.is_object() || !state.contains("version") || state["version"] != kVersion ||
      !state.contains("backends") || !state["backends"].is_array()) {
    return std::unexpected(
        fmt::format("expected a JSON object with version {} and a list of backends", kVersion));
  }
  BackendOrders orders;
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
  return orders;
}

}  // namespace headgate::server
