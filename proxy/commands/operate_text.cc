#include "commands/operate_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/printable.h"
#include "commands/json_text.h"
#include "commands/table.h"

namespace headgate::commands {
namespace {

using nlohmann::json;

// "draining by alice, 12 sessions left, about 5m 0s"
std::string order_text(const json& backend) {
  const auto order = backend.find("order");
  if (order == backend.end() || !order->is_object()) {
    return "";
  }
  std::string text = "by " + text_of(*order, "by");
  if (const auto left = order->find("left_s");
      left != order->end() && left->is_number() && number_of(backend, "sessions") > 0) {
    text += ", about " + span_text(left->get<std::int64_t>()) + " left";
  }
  return text;
}

std::string state_of(const json& backend) {
  const std::string service = text_of(backend, "service");
  const auto up = backend.find("up");
  const bool is_up = up != backend.end() && up->is_boolean() && up->get<bool>();
  if (service == "in_service") {
    return is_up ? "up" : "down";
  }
  return is_up || service == "disabled" ? service : service + ", down";
}

std::string weight_of(const json& backend) {
  const std::string weight = text_of(backend, "weight");
  const std::string configured = text_of(backend, "configured_weight");
  return weight == configured ? weight : fmt::format("{} ({})", weight, configured);
}

std::string backends_text(const json& backends) {
  Table table({"POOL", "BACKEND", "STATE", ">WEIGHT", ">SESSIONS", ">FAILURES", "ORDER"});
  for (const json& backend : backends) {
    table.add({text_of(backend, "pool"), text_of(backend, "backend"), state_of(backend),
               weight_of(backend), text_of(backend, "sessions"), text_of(backend, "failures"),
               order_text(backend)});
  }
  return table.text();
}

std::string sessions_of(std::int64_t count) {
  return fmt::format("{} session{}", count, count == 1 ? "" : "s");
}

// A line for each pool whose backends DNS names.
std::string srv_text(const json& pools) {
  std::string text;
  for (const json& pool : pools) {
    const auto srv = pool.find("srv");
    if (srv == pool.end() || !srv->is_object()) {
      continue;
    }
    text += fmt::format("pool {}: {} backends by SRV {}", printable(text_of(pool, "name")),
                        number_of(pool, "backends"), printable(text_of(*srv, "name")));
    if (const std::string failure = text_of(*srv, "failure"); !failure.empty()) {
      text += fmt::format("; no new answer: {}", printable(failure));
    }
    if (const std::size_t left_out = list_in(*srv, "left_out").size(); left_out != 0) {
      text += fmt::format("; {} targets left out", left_out);
    }
    text += '\n';
  }
  return text.empty() ? text : text + '\n';
}

// "1.04"; empty: there is nothing to say.
std::string ratio_text(const json& pool, const char* key) {
  const auto found = pool.find(key);
  return found != pool.end() && found->is_number() ? fmt::format("{:.2f}", found->get<double>())
                                                   : "";
}

std::string percent_text(const json& pool, const char* key) {
  const auto found = pool.find(key);
  return found != pool.end() && found->is_number()
             ? fmt::format("{:.0f} %", found->get<double>() * 100)
             : "";
}

// How DNS does that names the pool's backends; empty: it does not.
std::string srv_state(const json& pool) {
  const auto srv = pool.find("srv");
  if (srv == pool.end() || !srv->is_object()) {
    return "";
  }
  if (const std::string failure = text_of(*srv, "failure"); !failure.empty()) {
    return failure;
  }
  const std::size_t left_out = list_in(*srv, "left_out").size();
  return left_out == 0 ? "answered" : fmt::format("answered, {} left out", left_out);
}

}  // namespace

std::string pools_text(const json& pools) {
  Table table({"POOL", "POLICY", ">UP", ">DOWN", ">DRAINED", ">SESSIONS", ">LIMIT", ">WAITING",
               ">HELD", ">SPREAD", ">AWAY", "SRV"});
  for (const json& pool : list_in(pools, "pools")) {
    const std::int64_t limit = number_of(pool, "max_sessions");
    table.add({text_of(pool, "name"), text_of(pool, "policy"), text_of(pool, "up"),
               text_of(pool, "down"), text_of(pool, "drained"), text_of(pool, "sessions"),
               limit == 0 ? "none" : fmt::to_string(limit), text_of(pool, "waiting"),
               text_of(pool, "held"), ratio_text(pool, "load_spread"),
               percent_text(pool, "weight_away"), srv_state(pool)});
  }
  return list_in(pools, "pools").empty() ? "no pools\n" : table.text();
}

std::string status_text(const json& status) {
  const std::string not_ready = text_of(status, "not_ready");
  std::string text =
      fmt::format("headgate {}, {}, up {}, {} workers\n", text_of(status, "version"),
                  not_ready.empty() ? "ready" : "not ready: " + printable(not_ready),
                  span_text(number_of(status, "uptime_s")), number_of(status, "workers"));
  if (const auto config = status.find("config"); config != status.end() && config->is_object()) {
    text += fmt::format("config {} ({})\n", printable(text_of(*config, "file")),
                        text_of(*config, "hash"));
  }
  std::string phases;
  std::int64_t total = 0;
  if (const auto sessions = status.find("sessions");
      sessions != status.end() && sessions->is_object()) {
    for (const auto& [phase, count] : sessions->items()) {
      const std::int64_t number = count.is_number() ? count.get<std::int64_t>() : 0;
      total += number;
      if (number != 0) {
        phases += fmt::format("{}{} {}", phases.empty() ? ": " : ", ", phase, number);
      }
    }
  }
  text += fmt::format("sessions {}{}\nusers {}\n\n", total, phases, number_of(status, "users"));
  return text + srv_text(list_in(status, "pools")) + backends_text(list_in(status, "backends"));
}

std::string sessions_text(const json& page) {
  std::vector<json> sessions = list_in(page, "sessions");
  std::ranges::sort(sessions, {}, [](const json& one) {
    return std::pair(text_of(one, "user"), text_of(one, "session"));
  });
  Table table({"SESSION", "USER", "CLIENT", "LISTENER", "BACKEND", "PHASE", ">AGE", ">IDLE"});
  for (const json& one : sessions) {
    table.add({text_of(one, "session"), text_of(one, "user"), text_of(one, "client"),
               text_of(one, "listener"), text_of(one, "backend"), text_of(one, "phase"),
               span_text(number_of(one, "age_s")), span_text(number_of(one, "idle_s"))});
  }
  std::string text = sessions.empty() ? "no sessions\n" : table.text();
  const auto more = page.find("more");
  const bool cut = (more != page.end() && *more == true) ||
                   (page.contains("next") && !page.find("next")->is_null());
  return cut ? text + "there are more\n" : text;
}

std::string kicked_text(const json& kicked) {
  return sessions_of(number_of(kicked, "kicked")) + " ended\n";
}

std::string reloaded_text(const json& reloaded) {
  std::string text;
  for (const json& change : list_in(reloaded, "changes")) {
    text += printable(change.get<std::string>()) + '\n';
  }
  return text.empty() ? "reloaded; nothing has changed\n" : text;
}

std::string pins_text(const json& pins) {
  Table table({"USER", "POOL", "BACKEND", "BY"});
  for (const json& pin : list_in(pins, "pins")) {
    table.add(
        {text_of(pin, "user"), text_of(pin, "pool"), text_of(pin, "backend"), text_of(pin, "by")});
  }
  return list_in(pins, "pins").empty() ? "no pins\n" : table.text();
}

std::string pinned_text(const json& pinned) {
  const std::int64_t moved = number_of(pinned, "moved");
  return fmt::format("{} is pinned to {}{}\n{}", printable(text_of(pinned, "user")),
                     printable(text_of(pinned, "backend")),
                     moved == 0 ? "" : fmt::format("; {} ended elsewhere", sessions_of(moved)),
                     note(pinned));
}

std::string unpinned_text(const json& unpinned) {
  const std::int64_t count = number_of(unpinned, "unpinned");
  return fmt::format("{}\n{}", count == 0 ? "there was no pin" : "unpinned", note(unpinned));
}

std::string changed_text(const json& changed) {
  return backends_text(json::array({changed})) + note(changed);
}

}  // namespace headgate::commands
