#include "admin/api_input.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/ascii.h"
#include "base/printable.h"
#include "metrics/labels.h"

namespace headgate::admin {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestPattern = 128;
constexpr std::size_t kLongestUser = 512;
constexpr unsigned kLargestWeight = 10'000;  // as in the configuration
constexpr unsigned kHighestRate = 100'000;
constexpr unsigned kLongestHold = 24 * 3600;
constexpr std::size_t kMostMovedUsers = 10'000;

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
  if (name == "phase" &&
      std::ranges::find(metrics::kPhaseNames, value) == metrics::kPhaseNames.end()) {
    return wrong(name, fmt::format("one of {}", fmt::join(metrics::kPhaseNames, ", ")), value);
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

// Of a page.
std::expected<std::size_t, std::string> read_limit(const std::string& value) {
  std::size_t limit = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), limit);
  if (error != std::errc() || end != value.data() + value.size() || limit < 1 ||
      limit > kLargestPage) {
    return wrong("limit", fmt::format("a whole number from 1 to {}", kLargestPage), value);
  }
  return limit;
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

std::expected<std::string, std::string> read_user(const json& value) {
  const std::string text = value.is_string() ? value.get<std::string>() : std::string();
  if (text.empty() || text.size() > kLongestUser || printable(text, kLongestUser + 1) != text) {
    return wrong("user", fmt::format("1 to {} printable characters", kLongestUser),
                 value.is_string() ? text : value.type_name());
  }
  return lower_case(text);
}

std::expected<void, std::string> read_users(MoveRequest& request, const json& value) {
  if (!value.is_array() || value.empty() || value.size() > kMostMovedUsers) {
    return wrong("users", fmt::format("a list of 1 to {} users", kMostMovedUsers),
                 value.is_array() ? fmt::format("{} of them", value.size()) : value.type_name());
  }
  for (const json& one : value) {
    auto user = read_user(one);
    if (!user) {
      return std::unexpected(std::move(user.error()));
    }
    request.users.push_back(*std::move(user));
  }
  return {};
}

// One member of an order to move users.
std::expected<void, std::string> read_move_member(MoveRequest& request, const std::string& name,
                                                  const json& value, bool many) {
  if (name == "hold_s") {
    const auto seconds = read_number(name, value, 0, kLongestHold);
    if (!seconds) {
      return std::unexpected(seconds.error());
    }
    request.hold_s = *seconds;
    return {};
  }
  if (name == "rate" && many) {
    const auto rate = read_number(name, value, 1, kHighestRate);
    if (!rate) {
      return std::unexpected(rate.error());
    }
    request.rate = *rate;
    return {};
  }
  if (name == "users" && many) {
    return read_users(request, value);
  }
  if (name == "user" && !many) {
    return read_users(request, json::array({value}));
  }
  const std::string text = value.is_string() ? value.get<std::string>() : std::string();
  if (name == (many ? "to" : "backend") || (name == "from" && many)) {
    const auto backend = HostPort::parse(text);
    if (!backend) {
      return wrong(name, "HOST:PORT as in the configuration", text);
    }
    (name == "from" ? request.from : request.to) = *backend;
    return {};
  }
  if (text.empty() || text.size() > kLongestPattern ||
      (name != "pool" && (name != "pattern" || !many))) {
    return std::unexpected(fmt::format("'{}' is not known here, or is not of the right kind",
                                       printable(name.substr(0, 100))));
  }
  (name == "pool" ? request.pool : request.pattern) = name == "pool" ? text : lower_case(text);
  return {};
}

}  // namespace

std::string id_text(std::uint64_t id) {
  return fmt::format("{:016x}", id);
}

std::expected<SessionQuery, std::string> read_session_query(const Parameters& parameters) {
  SessionQuery query;
  for (const auto& [name, value] : parameters) {
    if (name == "limit") {
      const auto limit = read_limit(value);
      if (!limit) {
        return std::unexpected(limit.error());
      }
      query.limit = *limit;
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

std::expected<PinQuery, std::string> read_pin_query(const Parameters& parameters) {
  PinQuery query;
  for (const auto& [name, value] : parameters) {
    if (name == "limit") {
      const auto limit = read_limit(value);
      if (!limit) {
        return std::unexpected(limit.error());
      }
      query.limit = *limit;
    } else if (name == "cursor") {
      const std::size_t slash = value.find('/');
      if (slash == value.npos || slash == 0) {
        return wrong(name, "what `next` of the page before said", value);
      }
      query.pool = value.substr(0, slash);
      query.user = value.substr(slash + 1);
    } else {
      return std::unexpected(fmt::format("'{}' is not known; expected limit or cursor",
                                         printable(name.substr(0, 100))));
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

std::expected<MoveRequest, std::string> read_move(std::string_view body, bool many) {
  const auto object = read_object(body);
  if (!object) {
    return std::unexpected(object.error());
  }
  MoveRequest request;
  for (const auto& [name, value] : object->items()) {
    const auto read = read_move_member(request, name, value, many);
    if (!read) {
      return std::unexpected(read.error());
    }
  }
  if (request.pool.empty() || !request.to || (request.users.empty() == !request.from.has_value())) {
    return std::unexpected(std::string(many ? "expected pool, to, and either users or from"
                                            : "expected user, pool and backend"));
  }
  if (!request.pattern.empty() && !request.from) {
    return std::unexpected(std::string("pattern: expected with from"));
  }
  if (request.from == request.to) {
    return std::unexpected(std::string("from: expected another backend than to"));
  }
  return request;
}

std::expected<void, std::string> read_nothing(std::string_view body) {
  const auto object = read_object(body);
  if (!object || !object->empty()) {
    return std::unexpected(std::string("expected no body, or an empty JSON object"));
  }
  return {};
}

std::optional<std::uint64_t> read_move_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number != 0
             ? std::optional(number)
             : std::nullopt;
}

std::expected<MovesQuery, std::string> read_moves_query(const Parameters& parameters,
                                                        bool with_state) {
  MovesQuery query;
  for (const auto& [name, value] : parameters) {
    if (name == "state" && with_state) {
      query.state = value;
      continue;
    }
    const auto number = read_move_number(value);
    if (name == "limit") {
      if (!number || *number > kLargestPage) {
        return wrong(name, fmt::format("a whole number from 1 to {}", kLargestPage), value);
      }
      query.limit = static_cast<std::size_t>(*number);
    } else if (name == "cursor") {
      if (!number) {
        return wrong(name, "what `next` of the page before said", value);
      }
      query.cursor = *number;
    } else {
      return std::unexpected(fmt::format("'{}' is not known; expected limit{} or cursor",
                                         printable(name.substr(0, 100)),
                                         with_state ? ", state" : ""));
    }
  }
  return query;
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
