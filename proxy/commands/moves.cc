#include "commands/moves.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "base/printable.h"
#include "commands/json_text.h"
#include "commands/operate_parts.h"
#include "commands/table.h"

namespace headgate::commands {
namespace {

using nlohmann::json;

// Users of one request; longer lists are sent in parts, each an order of its own.
constexpr std::size_t kUsersOfARequest = 1000;
constexpr std::size_t kPageOfMoves = 1000;

struct MoveOptions : OperatorOptions {
  std::string user;
  std::string backend;  // "HOST:PORT" or "POOL/HOST:PORT", as those that follow
  std::string from;
  std::string to;
  std::string users_file;
  std::string pattern;
  std::string hold;  // as typed; "true": without a time; empty: none
  unsigned rate = 0;
  bool done = false;
  bool undo = false;
};

struct MovesOptions : OperatorOptions {
  std::string move;
  std::string state;
  std::size_t limit = 100;
  bool done = false;
  bool undo = false;
  bool stop = false;
  bool go_on = false;
};

// "90s", "5m", "2h", as seconds; "true": 0, which is the configuration's.
std::expected<unsigned, std::string> read_hold(const std::string& text) {
  if (text == "true") {
    return 0;
  }
  unsigned count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const unsigned seconds = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
  constexpr unsigned kLongest = 24 * 3600;
  if (error != std::errc() || seconds == 0 || count == 0 || count > kLongest / seconds) {
    return std::unexpected(
        fmt::format("--hold: expected a time of 1s to 24h with its unit (s, m or h), found '{}'",
                    printable(text)));
  }
  return count * seconds;
}

// One user a line; empty lines and those that begin with '#' do not count.
std::expected<std::vector<std::string>, std::string> read_user_list(const std::string& file) {
  std::ifstream stream(file);
  if (!stream) {
    return std::unexpected(file + ": cannot be read");
  }
  std::vector<std::string> users;
  for (std::string line; std::getline(stream, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) {
      line.pop_back();
    }
    if (!line.empty() && line.front() != '#') {
      users.push_back(line);
    }
  }
  return users.empty() ? std::expected<std::vector<std::string>, std::string>(
                             std::unexpected(file + ": expected at least one user"))
                       : std::move(users);
}

Answer word_for_user(const AdminClient& client, const MoveOptions& given) {
  if (given.user.empty() || !given.backend.empty() || !given.from.empty() || !given.to.empty() ||
      !given.users_file.empty() || !given.hold.empty() || given.done == given.undo) {
    return std::unexpected(std::string("expected USER and either --done or --undo"));
  }
  return client.post(given.done ? "move/done" : "move/undo", {{"user", given.user}});
}

Answer move_one(const AdminClient& client, const MoveOptions& given, json more) {
  if (given.backend.empty() || !given.from.empty() || !given.to.empty() ||
      !given.users_file.empty() || !given.pattern.empty() || given.rate != 0) {
    return std::unexpected(std::string(
        "expected USER and BACKEND, or --to BACKEND with --from BACKEND or --users FILE"));
  }
  const auto place = place_of(client, given.backend);
  if (!place) {
    return place;
  }
  more.update(*place);
  more["user"] = given.user;
  return client.post("move", more);
}

// In parts where the list is long; what is answered is about all of them.
Answer move_list(const AdminClient& client, const MoveOptions& given, const json& order) {
  const auto users = read_user_list(given.users_file);
  if (!users) {
    return std::unexpected(users.error());
  }
  json all = json::array();
  for (std::size_t at = 0; at < users->size(); at += kUsersOfARequest) {
    json part = order;
    const std::size_t end = std::min(users->size(), at + kUsersOfARequest);
    part["users"] = std::vector<std::string>(users->begin() + static_cast<std::ptrdiff_t>(at),
                                             users->begin() + static_cast<std::ptrdiff_t>(end));
    auto answer = client.post("moves", part);
    if (!answer) {
      return all.empty() ? answer
                         : Answer(std::unexpected(fmt::format(
                               "{}; the first {} users are being moved", answer.error(), at)));
    }
    all.push_back(*std::move(answer));
  }
  return json{{"moves", std::move(all)}};
}

Answer move_many(const AdminClient& client, const MoveOptions& given, json more) {
  if (given.to.empty() || given.from.empty() == given.users_file.empty()) {
    return std::unexpected(
        std::string("expected --to BACKEND with either --from BACKEND or --users FILE"));
  }
  const auto place = place_of(client, given.to);
  if (!place) {
    return place;
  }
  more["pool"] = place->at("pool");
  more["to"] = place->at("backend");
  if (given.rate != 0) {
    more["rate"] = given.rate;
  }
  if (!given.users_file.empty()) {
    if (!given.pattern.empty()) {
      return std::unexpected(std::string("--pattern: expected with --from"));
    }
    return move_list(client, given, more);
  }
  const std::size_t slash = given.from.find('/');
  more["from"] = slash == given.from.npos ? given.from : given.from.substr(slash + 1);
  if (!given.pattern.empty()) {
    more["pattern"] = given.pattern;
  }
  auto answer = client.post("moves", more);
  return answer ? Answer(json{{"moves", json::array({*std::move(answer)})}}) : answer;
}

Answer ask_move(const AdminClient& client, const MoveOptions& given) {
  if (given.done || given.undo) {
    return word_for_user(client, given);
  }
  json more = json::object();
  if (!given.hold.empty()) {
    const auto hold = read_hold(given.hold);
    if (!hold) {
      return std::unexpected(hold.error());
    }
    more["hold_s"] = *hold;
  }
  return given.user.empty() ? move_many(client, given, std::move(more))
                            : move_one(client, given, std::move(more));
}

Answer ask_moves(const AdminClient& client, const MovesOptions& given) {
  const int words = given.done + given.undo + given.stop + given.go_on;
  if (words > 1 || (words == 1 && given.move.empty())) {
    return std::unexpected(
        std::string("expected MOVE with one of --done, --undo, --stop and --continue"));
  }
  if (words == 1) {
    const char* word = given.done ? "done" : given.undo ? "undo" : given.stop ? "stop" : "continue";
    return client.post(fmt::format("moves/{}/{}", url_encoded(given.move), word), json::object());
  }
  if (given.move.empty() && !given.state.empty()) {
    return std::unexpected(std::string("--state: expected with MOVE"));
  }
  // Page after page, until there are as many as wanted.
  const char* list = given.move.empty() ? "moves" : "moved";
  const std::string path = given.move.empty() ? "moves" : "moves/" + url_encoded(given.move);
  const std::string state = given.state.empty() ? "" : "&state=" + url_encoded(given.state);
  json all = json::array();
  json answer;
  std::string cursor;
  do {
    auto page = client.get(fmt::format(
        "{}?limit={}{}{}", path, std::min(given.limit - all.size(), kPageOfMoves), state, cursor));
    if (!page) {
      return page;
    }
    for (const json& one : page->at(list)) {
      all.push_back(one);
    }
    answer = *std::move(page);
    cursor = answer.at("next").is_null() ? "" : "&cursor=" + answer.at("next").dump();
  } while (!cursor.empty() && all.size() < given.limit);
  answer[list] = std::move(all);
  return answer;
}

std::string count_text(const json& move, const char* state) {
  const auto counts = move.find("counts");
  return counts != move.end() && counts->is_object() ? text_of(*counts, state) : "";
}

std::string orders_text(const json& moves) {
  Table table({">MOVE", "POOL", "TO", "STATE", ">USERS", ">DONE", ">WAITING", ">RUNNING", ">HELD",
               ">FAILED", ">UNDONE", "LEFT", "BY"});
  for (const json& one : moves) {
    const auto counts = one.find("counts");
    const bool known = counts != one.end() && counts->is_object();
    const auto left = one.find("left_s");
    const bool estimated =
        left != one.end() && left->is_number() && text_of(one, "state") == "running";
    table.add(
        {text_of(one, "move"), text_of(one, "pool"), text_of(one, "to"), text_of(one, "state"),
         text_of(one, "users"), count_text(one, "done"), count_text(one, "waiting"),
         known ? std::to_string(number_of(*counts, "ending") + number_of(*counts, "hook")) : "",
         count_text(one, "held"), count_text(one, "failed"), count_text(one, "undone"),
         estimated ? "about " + span_text(left->get<std::int64_t>()) : "", text_of(one, "by")});
  }
  return table.text();
}

std::string users_text(const json& users) {
  Table table({"USER", "FROM", "STATE", ">SESSIONS", "DETAIL"});
  for (const json& one : users) {
    const auto back = one.find("back");
    const bool is_back = back != one.end() && *back == true;
    table.add({text_of(one, "user"), text_of(one, "from"),
               text_of(one, "state") + (is_back ? " (back)" : ""), text_of(one, "ended"),
               text_of(one, "detail")});
  }
  return table.text();
}

std::string one_moved_text(const json& moved) {
  const std::string user = printable(text_of(moved, "user"));
  const std::string to = printable(text_of(moved, "backend"));
  const std::string state = text_of(moved, "state");
  const std::int64_t ended = number_of(moved, "moved");
  const std::string sessions =
      ended == 0 ? "" : fmt::format("; {} session{} ended", ended, ended == 1 ? "" : "s");
  if (state == "done") {
    return fmt::format("{} is moved to {}{}\n{}", user, to, sessions, note(moved));
  }
  if (state == "held") {
    return fmt::format(
        "{} is held{}; no session is open: move the mail to {}, then `headgate move {} --done`\n{}",
        user, sessions, to, user, note(moved));
  }
  const std::string detail = printable(text_of(moved, "detail"));
  return fmt::format("{} on the way to {}: {}{}{}\n{}", user, to, state, sessions,
                     detail.empty() ? "" : "; " + detail, note(moved));
}

}  // namespace

std::string moved_text(const json& answer) {
  if (answer.contains("backend")) {
    return one_moved_text(answer);
  }
  if (!answer.contains("moves")) {  // a word about moves
    const std::int64_t users = number_of(answer, "users");
    return fmt::format("{} user{} of move {}\n{}", users, users == 1 ? "" : "s",
                       text_of(answer, "move"), note(answer));
  }
  std::string text = orders_text(list_in(answer, "moves"));
  for (const json& one : list_in(answer, "moves")) {
    if (const std::int64_t left_out = number_of(one, "left_out"); left_out != 0) {
      text += fmt::format("note: {} users have another name at the backend; name them by --users\n",
                          left_out);
    }
    text += note(one);
  }
  return text;
}

std::string moves_text(const json& answer) {
  if (!answer.contains("moves") && !answer.contains("moved")) {
    return moved_text(answer);
  }
  const auto next = answer.find("next");
  const bool more = next != answer.end() && !next->is_null();
  std::string text;
  if (answer.contains("moved")) {
    text = orders_text(json::array({answer})) + "\n" + users_text(list_in(answer, "moved"));
  } else {
    const json& moves = list_in(answer, "moves");
    text = moves.empty() ? "no moves\n" : orders_text(moves);
  }
  return more ? text + "there are more\n" : text;
}

void add_move_commands(CLI::App& app, std::function<int()>& run) {
  const auto move = std::make_shared<MoveOptions>();
  CLI::App* command = add_command(
      app, "move", "Pin a user to another backend and end the sessions elsewhere", move);
  command->add_option("USER", move->user, "The name for the backend");
  command->add_option(
      "BACKEND", move->backend,
      "HOST:PORT as in the configuration, with POOL/ before it where several have it");
  command->add_flag("--hold{true}", move->hold,
                    "Logins of the user wait until --done, the hook's end or a time: --hold=5m; "
                    "else admin.moves.hold");
  command->add_flag("--done", move->done, "The mail has moved: the user's logins go on");
  command->add_flag("--undo", move->undo, "The user lives where it was before");
  command->add_option("--from", move->from, "In place of USER: all at this backend")
      ->type_name("BACKEND");
  command->add_option("--to", move->to, "In place of BACKEND")->type_name("BACKEND");
  command->add_option("--users", move->users_file, "In place of USER: those of a file, one a line")
      ->type_name("FILE");
  command
      ->add_option("--pattern", move->pattern,
                   "With --from: users whose whole name is like this; * any text, ? one character")
      ->type_name("PATTERN");
  command->add_option("--rate", move->rate, "Users a second; else admin.moves.rate")
      ->check(CLI::Range(1, 100'000));
  when_typed(
      command, move, run, [move](const AdminClient& client) { return ask_move(client, *move); },
      moved_text);

  const auto moves = std::make_shared<MovesOptions>();
  command = add_command(app, "moves", "Show moves of users, or tell one what to do", moves);
  command->add_option("MOVE", moves->move, "Number of a move: its users are shown");
  command->add_option("--state", moves->state, "Only users in this state")->type_name("STATE");
  command->add_option("--limit", moves->limit, "At most so many")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command->add_flag("--done", moves->done, "The mail of its users has moved: logins go on");
  command->add_flag("--undo", moves->undo, "All its users live where they were before");
  command->add_flag("--stop", moves->stop, "Users who wait for their turn stay where they are");
  command->add_flag("--continue", moves->go_on, "They have their turns after all");
  when_typed(
      command, moves, run, [moves](const AdminClient& client) { return ask_moves(client, *moves); },
      moves_text);
}

}  // namespace headgate::commands
