#include "admin/api_input.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "base/ascii.h"
#include "base/printable.h"

namespace headgate::admin {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestPattern = 128;
constexpr std::size_t kLongestUser = 512;
constexpr unsigned kLargestWeight = 10'000;  // as in the configuration
constexpr unsigned kHighestRate = 100'000;

std::unexpected<std::string> wrong(std::string_view name, std::string_view expected,
                                   std::string_view found) {
  return std::unexpected(
      fmt::format("{}: expected {}, found '{}'", name, expected, printable(found.substr(0, 100))));
}

std::optional<std::uint64_t> read_id(std::string_view text) {
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id, 16);
  return text.size() == 16 && error == std::errc() && end == text.data() + text.size()
             ? std::optional(id)
             : std::nullopt;
}

std::expected<bool, std::string> read_place(SessionFilter& filter, const std::string& name,
                                            const std::string& value) {
  if (name == "client") {
    const auto network = Network::parse(value);
    if (!network) {
      return wrong(name, "an address or a network in CIDR form", value);
    }
    filter.client = *network;
    return true;
  }
  const auto backend = HostPort::parse(value);
  if (!backend) {
    return wrong(name, "HOST:PORT as in the configuration", value);
  }
  filter.backend = *backend;
  return true;
}

// One member of a filter. False: there is none of that name.
std::expected<bool, std::string> read_member(SessionFilter& filter, const std::string& name,
                                             const std::string& value) {
  if (value.empty()) {
    return wrong(name, "a value", value);
  }
  if (name == "client" || name == "backend") {
    return read_place(filter, name, value);
  }
  if (name == "session") {
    filter.session = read_id(value);
    return filter.session ? std::expected<bool, std::string>(true)
                          : wrong(name, "the 16 hexadecimal digits of a session", value);
  }
  if (name == "pattern" && value.size() > kLongestPattern) {
    return wrong(name, fmt::format("at most {} bytes", kLongestPattern), value);
  }
  if (name == "user" || name == "pattern") {
    (name == "user" ? filter.user : filter.pattern) = lower_case(value);
    return true;
  }
  for (const auto& [member, known] :
       {std::pair(&SessionFilter::pool, "pool"), std::pair(&SessionFilter::listener, "listener"),
        std::pair(&SessionFilter::phase, "phase"), std::pair(&SessionFilter::state, "state")}) {
    if (name == known) {
      filter.*member = value;
      return true;
    }
  }
  return false;
}

std::unexpected<std::string> unknown(std::string_view name) {
  return std::unexpected(fmt::format(
      "'{}' is not known; expected user, pattern, client, backend, pool, listener, phase, state "
      "or session",
      printable(name.substr(0, 100))));
}

std::expected<json, std::string> read_object(std::string_view body) {
  if (body.empty()) {
    return json::object();
  }
  json object = json::parse(body, nullptr, false);
  if (!object.is_object()) {
    return std::unexpected(std::string("expected a JSON object as the body"));
  }
  return object;
}

std::expected<unsigned, std::string> read_number(std::string_view name, const json& value,
                                                 unsigned minimum, unsigned maximum) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() < minimum ||
      value.get<std::uint64_t>() > maximum) {
    return wrong(name, fmt::format("a whole number from {} to {}", minimum, maximum),
                 value.dump(-1, ' ', true, json::error_handler_t::replace));
  }
  return value.get<unsigned>();
}

}  // namespace

std::string id_text(std::uint64_t id) {
  return fmt::format("{:016x}", id);
}

std::expected<SessionQuery, std::string> read_session_query(const Parameters& parameters) {
  SessionQuery query;
  for (const auto& [name, value] : parameters) {
    if (name == "limit") {
      const auto [end, error] =
          std::from_chars(value.data(), value.data() + value.size(), query.limit);
      if (error != std::errc() || end != value.data() + value.size() || query.limit < 1 ||
          query.limit > kLargestPage) {
        return wrong(name, fmt::format("a whole number from 1 to {}", kLargestPage), value);
      }
    } else if (name == "cursor") {
      query.after = read_id(value);
      if (!query.after) {
        return wrong(name, "what `next` of the page before said", value);
      }
    } else if (const auto known = read_member(query.filter, name, value); !known) {
      return std::unexpected(known.error());
    } else if (!*known) {
      return unknown(name);
    }
  }
  return query;
}

std::expected<ExplainQuery, std::string> read_explain(const Parameters& parameters) {
  ExplainQuery query;
  for (const auto& [name, value] : parameters) {
    if (name == "user") {
      query.user = value;
    } else if (name == "client") {
      const auto client = IpAddress::parse(value);
      if (!client) {
        return std::unexpected("client: expected " + client.error());
      }
      query.client = *client;
    } else {
      return unknown(name);
    }
  }
  if (query.user.empty()) {
    return std::unexpected(std::string("expected the parameter user"));
  }
  return query;
}

std::expected<SessionFilter, std::string> read_kick(std::string_view body) {
  const auto object = read_object(body);
  if (!object) {
    return std::unexpected(object.error());
  }
  SessionFilter filter;
  for (const auto& [name, value] : object->items()) {
    if (!value.is_string()) {
      return std::unexpected(printable(name.substr(0, 100)) + ": expected a string");
    }
    if (const auto known = read_member(filter, name, value.get_ref<const std::string&>()); !known) {
      return std::unexpected(known.error());
    } else if (!*known) {
      return unknown(name);
    }
  }
  if (filter.empty()) {
    return std::unexpected(std::string(
        "expected user, pattern, client, backend, pool, listener, phase, state or session; "
        "pattern * is everybody"));
  }
  return filter;
}

std::expected<PinRequest, std::string> read_pin(std::string_view body, bool with_backend) {
  const auto object = read_object(body);
  if (!object) {
    return std::unexpected(object.error());
  }
  PinRequest request;
  for (const auto& [name, value] : object->items()) {
    const bool known = name == "user" || (with_backend && (name == "pool" || name == "backend"));
    if (!known || !value.is_string()) {
      return std::unexpected(
          fmt::format("'{}' is not known here, or is no string", printable(name.substr(0, 100))));
    }
    const auto& text = value.get_ref<const std::string&>();
    if (name == "backend") {
      const auto backend = HostPort::parse(text);
      if (!backend) {
        return wrong(name, "HOST:PORT as in the configuration", text);
      }
      request.backend = *backend;
    } else if (text.empty() || text.size() > kLongestUser || printable(text) != text) {
      return wrong(name, fmt::format("1 to {} printable characters", kLongestUser), text);
    } else {
      (name == "user" ? request.user : request.pool) = name == "user" ? lower_case(text) : text;
    }
  }
  if (request.user.empty() || (with_backend && (request.pool.empty() || !request.backend))) {
    return std::unexpected(
        std::string(with_backend ? "expected user, pool and backend" : "expected user"));
  }
  return request;
}

std::expected<BackendChange, std::string> read_change(BackendChange::What what,
                                                      std::string_view body) {
  const auto object = read_object(body);
  if (!object) {
    return std::unexpected(object.error());
  }
  BackendChange change{.what = what, .weight = {}, .rate = {}};
  bool weighed = false;
  for (const auto& [name, value] : object->items()) {
    if (name == "move" && value.is_boolean() && what == BackendChange::What::kDrain) {
      change.what = value.get<bool>() ? BackendChange::What::kMove : BackendChange::What::kDrain;
    } else if (name == "rate" && what != BackendChange::What::kEnable &&
               what != BackendChange::What::kWeight) {
      const auto rate = read_number(name, value, 1, kHighestRate);
      if (!rate) {
        return std::unexpected(rate.error());
      }
      change.rate = *rate;
    } else if (name == "weight" && what == BackendChange::What::kWeight) {
      weighed = true;
      if (!value.is_null()) {
        const auto weight = read_number(name, value, 0, kLargestWeight);
        if (!weight) {
          return std::unexpected(weight.error());
        }
        change.weight = *weight;
      }
    } else {
      return std::unexpected(fmt::format("'{}' is not known here, or is of the wrong type",
                                         printable(name.substr(0, 100))));
    }
  }
  if (what == BackendChange::What::kWeight && !weighed) {
    return std::unexpected(
        fmt::format("weight: expected a whole number from 0 to {}, or null for the configuration's",
                    kLargestWeight));
  }
  if (change.rate && change.what == BackendChange::What::kDrain) {
    return std::unexpected(std::string("rate: expected with move, which is what ends sessions"));
  }
  return change;
}

}  // namespace headgate::admin
