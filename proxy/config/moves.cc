#include "config/moves.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "config/scalars.h"
#include "config/user_sources.h"

namespace headgate::config {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMostArguments = 64;

const Choices<WhenMoveFails> kWhenMoveFails = {{"undo", WhenMoveFails::kUndo},
                                               {"complete", WhenMoveFails::kComplete}};

// Whether all braces of an argument are of words that stand for something.
bool is_argument(std::string_view text) {
  constexpr std::array<std::string_view, 4> kWords = {"user", "pool", "from", "to"};
  while (!text.empty()) {
    const std::size_t open = text.find_first_of("{}");
    if (open == text.npos) {
      return true;
    }
    const std::size_t close = text.find('}', open);
    if (text[open] == '}' || close == text.npos ||
        std::ranges::find(kWords, text.substr(open + 1, close - open - 1)) == kWords.end()) {
      return false;
    }
    text.remove_prefix(close + 1);
  }
  return true;
}

void check_command(Reader& reader, const std::string& path, const MoveHook& hook) {
  if (hook.command.empty() || !reader.good(path)) {
    return;
  }
  const std::string& program = hook.command.front();
  if (!program.starts_with('/')) {
    reader.refuse(path + "[0]", fmt::format("the absolute path of a program, found '{}'", program));
  } else if (reader.checks_files() && ::access(program.c_str(), X_OK) != 0) {
    reader.refuse(path + "[0]", fmt::format("a program that can be run, found '{}'", program));
  }
  if (hook.command.size() > kMostArguments) {
    reader.refuse(path, fmt::format("at most {} arguments", kMostArguments));
  }
  for (std::size_t i = 1; i < hook.command.size(); ++i) {
    if (!is_argument(hook.command[i])) {
      reader.refuse(fmt::format("{}[{}]", path, i),
                    fmt::format("in braces only {{user}}, {{pool}}, {{from}} or {{to}}, found '{}'",
                                hook.command[i]));
    }
  }
}

void check_hook(Reader& reader, const std::string& path, const MoveHook& hook) {
  const bool command = reader.has(path + ".command");
  if (command == reader.has(path + ".url")) {
    reader.refuse(path, "either command or url");
  }
  for (const char* of_url : {".headers", ".verify", ".ca"}) {
    if (command && reader.has(path + of_url)) {
      reader.refuse(path + of_url, "nothing with command, only with url");
    }
  }
  check_command(reader, path + ".command", hook);
}

Type<MoveHook> hook_type() {
  return section<MoveHook>(
      {
          key("command", &MoveHook::command,
              list_of(text("an argument", 4096), "a program and its arguments", 1),
              "Program to run, without a shell, and its arguments, in which {user}, {pool}, {from} "
              "and {to} stand for the user, the pool and the two backends. The same is in its "
              "environment as HEADGATE_USER, HEADGATE_POOL, HEADGATE_FROM and HEADGATE_TO. An exit "
              "code other than 0 is a failure.",
              {.example = R"(["/usr/local/bin/flush-user", "--user={user}"])"}),
          key("url", &MoveHook::url, url(),
              "Instead of a command: where a JSON object with user, pool, from, to and move (the "
              "number of the order) is sent by POST. Any status but 2xx is a failure.",
              {.example = R"("http://127.0.0.1:8085/flush")"}),
          key("headers", &MoveHook::headers, list_of(http_header_type(), "a list of headers"),
              "Headers that go with each request, for a key that the server asks for, say."),
          key("verify", &MoveHook::verify, boolean(),
              "Whether an https server must show a valid certificate for its host name."),
          key("ca", &MoveHook::ca, file("a PEM file that can be read"),
              "PEM file with the authorities to trust. Not set: the system's.",
              {.example = "ca.pem"}),
          key("timeout", &MoveHook::timeout, duration(100ms, 24h),
              "Time for each user; then a program is killed with all that it has started, a "
              "request given up, and the hook has failed."),
      },
      check_hook);
}

}  // namespace

Type<Moves> moves_type() {
  return section<Moves>({
      key("rate", &Moves::rate, number(1U, 100'000U),
          "Users a second that an order for many begins to move, unless the command says "
          "otherwise."),
      key("parallel", &Moves::parallel, number(1U, 10'000U),
          "Users who are being moved at a time, and so hooks that run at a time; those who are "
          "held until an operator says done do not count."),
      key("hold", &Moves::hold, duration(1s, 24h),
          "How long logins of a user wait at most with --hold, unless the command says otherwise. "
          "A client waits no longer than login.timeout and then gets [UNAVAILABLE]."),
      key("max_waiting", &Moves::max_waiting, number(std::size_t{1}, std::size_t{1'000'000}),
          "Logins that may wait until their users have moved, spread evenly over the workers; more "
          "get [UNAVAILABLE], and so does each beyond 50 of one user on a worker."),
      key("settle", &Moves::settle, duration(0ms, 60s),
          "How long the old backend has to let go of the mailbox after the user's sessions have "
          "ended, before the hook runs or the mail may be moved."),
      key("when_failed", &Moves::when_failed, choice(kWhenMoveFails),
          "What becomes of a move whose hook fails or whose hold lasts too long. undo: the user "
          "lives on where the mail surely is, at the old backend. complete: at the new one."),
      key("hook", &Moves::hook, hook_type(),
          "What is called for each user who is moved, when all sessions have ended and before "
          "further logins get to the new backend; they wait meanwhile. It may be called again for "
          "the same user: after a restart. Not set: nothing."),
  });
}

}  // namespace headgate::config
