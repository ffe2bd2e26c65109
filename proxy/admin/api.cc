#include "admin/api.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

#include "admin/api_input.h"
#include "admin/api_json.h"
#include "admin/api_moves.h"
#include "base/log.h"

namespace headgate::admin {
namespace {

using config::TokenRole;
using nlohmann::json;
using What = BackendChange::What;
using Handler = std::function<Response(const Request&, const Caller&)>;

Route route(std::string method, std::string path, TokenRole role, const Access& access,
            Handler handle) {
  return {std::move(method), "/api/v1/" + std::move(path),
          [role, access, handle = std::move(handle)](const Request& request) {
            const auto caller = access.check(request, role);
            return caller ? handle(request, *caller) : caller.error();
          }};
}

Response answer(const Problem& problem) {
  return json_error(problem.status, problem.what);
}

// Those views whose pool, by `pool_of`, is the one that is asked for, or all, as {name: [...]}.
template <typename View>
Response by_pool(const Request& request, const char* name, const std::vector<View>& views,
                 std::string View::* pool_of) {
  auto parameters = parse_query(request.query);
  if (!parameters) {
    return json_error(400, parameters.error());
  }
  const auto found = parameters->extract("pool");
  if (!parameters->empty()) {
    return json_error(400, "expected no other parameter than pool");
  }
  json list = json::array();
  for (const View& view : views) {
    if (found.empty() || found.mapped() == view.*pool_of) {
      list.push_back(to_json(view));
    }
  }
  return json_response({{name, std::move(list)}});
}

Response get_pools(Control& control, const Request& request) {
  return by_pool(request, "pools", control.pools(), &PoolView::name);
}

Response get_backends(Control& control, const Request& request) {
  return by_pool(request, "backends", control.backends(), &BackendView::pool);
}

Response get_sessions(Control& control, const Request& request) {
  const auto parameters = parse_query(request.query);
  if (!parameters) {
    return json_error(400, parameters.error());
  }
  const auto query = read_session_query(*parameters);
  if (!query) {
    return json_error(400, query.error());
  }
  const auto page = control.sessions(*query);
  return page ? json_response(to_json(*page)) : answer(page.error());
}

// All sessions of one user, up to a page of them at a time.
Response get_who(Control& control, const Request& request) {
  const auto parameters = parse_query(request.query);
  if (!parameters) {
    return json_error(400, parameters.error());
  }
  if (!parameters->contains("user") ||
      parameters->size() > (parameters->contains("cursor") ? 2U : 1U)) {
    return json_error(400, "expected the parameter user, or user and cursor");
  }
  auto query = read_session_query(*parameters);
  if (!query) {
    return json_error(400, query.error());
  }
  query->limit = kLargestPage;
  const auto page = control.sessions(*query);
  if (!page) {
    return answer(page.error());
  }
  json out = to_json(*page);
  out["user"] = query->filter.user;
  return json_response(out);
}

Response get_explain(Control& control, const Request& request) {
  const auto parameters = parse_query(request.query);
  if (!parameters) {
    return json_error(400, parameters.error());
  }
  const auto asked = read_explain(*parameters);
  if (!asked) {
    return json_error(400, asked.error());
  }
  const auto explained = control.explain(asked->user, asked->client);
  return explained ? json_response(to_json(*explained)) : json_error(404, explained.error());
}

std::string_view word(const BackendChange& change) {
  switch (change.what) {
    case What::kDrain:
      return "drain";
    case What::kMove:
      return "drain and move";
    case What::kDisable:
      return "disable";
    case What::kEnable:
      return "enable";
    case What::kWeight:
      return "weight";
  }
  return "";
}

Response post_backend(Control& control, What what, const Request& request, const Caller& caller) {
  const auto backend = HostPort::parse(request.segments[1]);
  if (!backend) {
    return json_error(400, fmt::format("backend: expected {}", backend.error()));
  }
  const auto change = read_change(what, request.body);
  if (!change) {
    return json_error(400, change.error());
  }
  const std::string pool(request.segments[0]);
  const auto changed = control.change(pool, *backend, *change, caller.name());
  const std::string name = backend->to_string();
  if (!changed) {
    log_refused(word(*change), fmt::format("{}/{}", pool, name), changed.error(), caller);
    return answer(changed.error());
  }
  log::info("operator", {{"action", word(*change)},
                         {"token", caller.token},
                         {"client", caller.address},
                         {"pool", pool},
                         {"backend", name},
                         {"service", changed->backend.service},
                         {"weight", std::uint64_t{changed->backend.weight}}});
  json out = to_json(changed->backend);
  out["warning"] = changed->warning;
  return json_response(out);
}

Response post_kick(Control& control, const Request& request, const Caller& caller) {
  const auto filter = read_kick(request.body);
  if (!filter) {
    return json_error(400, filter.error());
  }
  const auto kicked = control.kick(*filter, caller.name());
  const std::string done = kicked ? "done" : kicked.error().what;
  log::info("operator", {{"action", "kick"},
                         {"token", caller.token},
                         {"client", caller.address},
                         {"filter", request.body.substr(0, 1000)},
                         {"kicked", std::uint64_t{kicked.value_or(0)}},
                         {"result", done}});
  return kicked ? json_response({{"kicked", *kicked}}) : answer(kicked.error());
}

Response get_pins(Control& control, const Request& request) {
  const auto parameters = parse_query(request.query);
  const auto query = parameters ? read_pin_query(*parameters) : std::unexpected(parameters.error());
  if (!query) {
    return json_error(400, query.error());
  }
  const PinPage page = control.pins(*query);
  json pins = json::array();
  for (const PinView& pin : page.pins) {
    pins.push_back(to_json(pin));
  }
  json out = {{"pins", std::move(pins)}, {"next", nullptr}};
  if (page.more) {
    out["next"] = fmt::format("{}/{}", page.pins.back().pool, page.pins.back().user);
  }
  return json_response(out);
}

Response post_pin(Control& control, const Request& request, const Caller& caller) {
  const auto wanted = read_pin(request.body, true);
  if (!wanted) {
    return json_error(400, wanted.error());
  }
  const auto pinned = control.pin(wanted->pool, wanted->user, *wanted->backend, caller.name());
  if (!pinned) {
    log_refused("pin", wanted->user, pinned.error(), caller);
    return answer(pinned.error());
  }
  log::info("operator", {{"action", "pin"},
                         {"token", caller.token},
                         {"client", caller.address},
                         {"user", pinned->pin.user},
                         {"pool", pinned->pin.pool},
                         {"backend", pinned->pin.backend}});
  json out = to_json(pinned->pin);
  out["moved"] = 0;
  out["warning"] = pinned->warning;
  return json_response(out);
}

Response post_unpin(Control& control, const Request& request, const Caller& caller) {
  const auto wanted = read_pin(request.body, false);
  if (!wanted) {
    return json_error(400, wanted.error());
  }
  const auto [unpinned, warning] = control.unpin(wanted->user);
  log::info("operator", {{"action", "unpin"},
                         {"token", caller.token},
                         {"client", caller.address},
                         {"user", wanted->user},
                         {"unpinned", std::uint64_t{unpinned}}});
  return json_response({{"unpinned", unpinned}, {"warning", warning}});
}

Response post_reload(Control& control, const Request&, const Caller& caller) {
  const auto changes = control.reload();
  log::info("operator", {{"action", "reload"},
                         {"token", caller.token},
                         {"client", caller.address},
                         {"result", changes ? "done" : "refused"}});
  if (!changes) {
    return json_error(422, fmt::format("{}", fmt::join(changes.error(), "\n")));
  }
  return json_response({{"changes", *changes}});
}

}  // namespace

std::vector<Route> api_routes(Control& control, const Access& access) {
  std::vector<Route> routes;
  const auto get = [&](std::string path, Response (*handle)(Control&, const Request&)) {
    routes.push_back(route("GET", std::move(path), TokenRole::kRead, access,
                           [&control, handle](const Request& request, const Caller&) {
                             return handle(control, request);
                           }));
  };
  get("status", [](Control& of, const Request&) { return json_response(to_json(of.status())); });
  get("pools", get_pools);
  get("backends", get_backends);
  get("sessions", get_sessions);
  get("who", get_who);
  get("explain", get_explain);
  get("pins", get_pins);
  get("moves", get_moves);
  get("moves/{move}", get_moved_users);
  const auto post = [&](std::string path, auto handle) {
    routes.push_back(route("POST", std::move(path), TokenRole::kOperator, access,
                           [&control, handle](const Request& request, const Caller& caller) {
                             return handle(control, request, caller);
                           }));
  };
  for (const auto& [name, what] :
       {std::pair("drain", What::kDrain), std::pair("disable", What::kDisable),
        std::pair("enable", What::kEnable), std::pair("weight", What::kWeight)}) {
    post(fmt::format("backends/{{pool}}/{{backend}}/{}", name),
         [what](Control& of, const Request& request, const Caller& caller) {
           return post_backend(of, what, request, caller);
         });
  }
  post("kick", post_kick);
  post("pin", post_pin);
  post("move", post_move);
  post("moves", post_moves);
  for (const auto& [name, word] :
       {std::pair("done", MoveWord::kDone), std::pair("undo", MoveWord::kUndo),
        std::pair("stop", MoveWord::kStop), std::pair("continue", MoveWord::kGoOn)}) {
    post(fmt::format("moves/{{move}}/{}", name),
         [word](Control& of, const Request& request, const Caller& caller) {
           return post_move_word(of, word, request, caller);
         });
  }
  for (const auto& [name, word] :
       {std::pair("done", MoveWord::kDone), std::pair("undo", MoveWord::kUndo)}) {
    post(fmt::format("move/{}", name),
         [word](Control& of, const Request& request, const Caller& caller) {
           return post_user_word(of, word, request, caller);
         });
  }
  post("unpin", post_unpin);
  post("reload", post_reload);
  return routes;
}

}  // namespace headgate::admin
