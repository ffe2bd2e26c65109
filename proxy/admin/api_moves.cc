#include "admin/api_moves.h"

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "admin/api_input.h"
#include "admin/api_json.h"
#include "base/log.h"

namespace headgate::admin {
namespace {

using nlohmann::json;

json json_of_move(const MoveView& view) {
  json counts = json::object();
  for (const auto& [state, count] : view.counts) {
    counts[std::string(state)] = count;
  }
  json out = {{"move", view.move}, {"pool", view.pool},          {"to", view.to},
              {"by", view.by},     {"since", view.since},        {"hold_s", view.hold_s},
              {"rate", view.rate}, {"state", view.state},        {"users", view.users},
              {"left_s", nullptr}, {"counts", std::move(counts)}};
  if (view.left_s) {
    out["left_s"] = *view.left_s;
  }
  return out;
}

json json_of_user(const MovedUserView& view) {
  json out = {{"user", view.user},   {"from", view.from},    {"state", view.state},
              {"back", view.back},   {"since", view.since},  {"until", nullptr},
              {"ended", view.ended}, {"detail", view.detail}};
  if (view.until != 0) {
    out["until"] = view.until;
  }
  return out;
}

std::string_view word_text(MoveWord word) {
  switch (word) {
    case MoveWord::kDone:
      return "move done";
    case MoveWord::kUndo:
      return "move undo";
    case MoveWord::kStop:
      return "move stop";
    case MoveWord::kGoOn:
      break;
  }
  return "move go on";
}

// The answer to a word about moves, and its line in the log; `of` is a number or a user.
Response word_told(const std::expected<MoveTold, Problem>& told, MoveWord word, std::string_view of,
                   const Caller& caller) {
  const std::string result = told ? "done" : told.error().what;
  log::info("operator", {{"action", word_text(word)},
                         {"token", caller.token},
                         {"client", caller.address},
                         {"move", of},
                         {"users", std::uint64_t{told ? told->users : 0}},
                         {"result", result}});
  if (!told) {
    return json_error(told.error().status, told.error().what);
  }
  return json_response({{"move", told->move}, {"users", told->users}, {"warning", told->warning}});
}

void log_move(const MoveRequest& request, const MoveStarted& started, const Caller& caller) {
  const std::string whom = request.from ? "all at " + request.from->to_string()
                           : request.users.size() == 1
                               ? request.users.front()
                               : fmt::format("a list of {}", request.users.size());
  log::info("operator", {{"action", "move"},
                         {"token", caller.token},
                         {"client", caller.address},
                         {"user", whom},
                         {"pool", started.move.pool},
                         {"backend", started.move.to},
                         {"move", started.move.move},
                         {"hold_s", started.move.hold_s},
                         {"users", std::uint64_t{started.move.users}}});
}

}  // namespace

Response post_move(Control& control, const Request& request, const Caller& caller) {
  const auto wanted = read_move(request.body, false);
  if (!wanted) {
    return json_error(400, wanted.error());
  }
  const auto started = control.move(*wanted, caller.name());
  if (!started) {
    log_refused("move", wanted->users.empty() ? wanted->pool : wanted->users.front(),
                started.error(), caller);
    return json_error(started.error().status, started.error().what);
  }
  log_move(*wanted, *started, caller);
  const MovedUserView user = started->user.value_or(MovedUserView());
  json out = {{"pool", started->move.pool},  {"user", user.user},
              {"backend", started->move.to}, {"since", started->move.since},
              {"by", started->move.by},      {"moved", user.ended},
              {"move", started->move.move},  {"from", user.from},
              {"state", user.state},         {"until", nullptr},
              {"detail", user.detail},       {"warning", started->warning}};
  if (user.until != 0) {
    out["until"] = user.until;
  }
  return json_response(out);
}

Response post_moves(Control& control, const Request& request, const Caller& caller) {
  const auto wanted = read_move(request.body, true);
  if (!wanted) {
    return json_error(400, wanted.error());
  }
  const auto started = control.move(*wanted, caller.name());
  if (!started) {
    log_refused("move", wanted->users.empty() ? wanted->pool : wanted->users.front(),
                started.error(), caller);
    return json_error(started.error().status, started.error().what);
  }
  log_move(*wanted, *started, caller);
  json out = json_of_move(started->move);
  out["left_out"] = started->left_out;
  out["warning"] = started->warning;
  return json_response(out);
}

Response get_moves(Control& control, const Request& request) {
  const auto parameters = parse_query(request.query);
  const auto query =
      parameters ? read_moves_query(*parameters, false) : std::unexpected(parameters.error());
  if (!query) {
    return json_error(400, query.error());
  }
  const MovePage page = control.moves(
      query->cursor != 0 ? query->cursor : std::numeric_limits<std::uint64_t>::max(), query->limit);
  json moves = json::array();
  for (const MoveView& view : page.moves) {
    moves.push_back(json_of_move(view));
  }
  json out = {{"moves", std::move(moves)}, {"next", nullptr}};
  if (page.more) {
    out["next"] = page.moves.back().move;
  }
  return json_response(out);
}

Response get_moved_users(Control& control, const Request& request) {
  const auto number = read_move_number(request.segments[0]);
  const auto parameters = parse_query(request.query);
  const auto query =
      parameters ? read_moves_query(*parameters, true) : std::unexpected(parameters.error());
  if (!number || !query) {
    return json_error(400, number ? query.error() : "expected the number of a move in the path");
  }
  const auto page = control.moved_users(*number, query->state,
                                        static_cast<std::size_t>(query->cursor), query->limit);
  if (!page) {
    return json_error(page.error().status, page.error().what);
  }
  json out = json_of_move(page->move);
  json users = json::array();
  for (const MovedUserView& view : page->users) {
    users.push_back(json_of_user(view));
  }
  out["moved"] = std::move(users);
  out["next"] = nullptr;
  if (page->next) {
    out["next"] = *page->next;
  }
  return json_response(out);
}

Response post_move_word(Control& control, MoveWord word, const Request& request,
                        const Caller& caller) {
  const auto number = read_move_number(request.segments[0]);
  const auto nothing = read_nothing(request.body);
  if (!number || !nothing) {
    return json_error(400, number ? nothing.error() : "expected the number of a move in the path");
  }
  return word_told(control.tell_move(*number, word), word, request.segments[0], caller);
}

Response post_user_word(Control& control, MoveWord word, const Request& request,
                        const Caller& caller) {
  const auto wanted = read_pin(request.body, false);
  if (!wanted) {
    return json_error(400, wanted.error());
  }
  return word_told(control.tell_move_of(wanted->user, word), word, wanted->user, caller);
}

}  // namespace headgate::admin
