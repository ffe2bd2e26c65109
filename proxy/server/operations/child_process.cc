#include "server/operations/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/printable.h"

namespace headgate::server {
namespace {

constexpr std::size_t kLongestLine = 256;
constexpr int kMostReads = 16;  // of 4 KiB; the rest has its turn with the next look

// posix_spawn's, freed whatever happens.
struct SpawnPlan {
  SpawnPlan() {
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setpgroup(&attributes, 0);
  }
  ~SpawnPlan() {
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
};

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) {
    pointers.push_back(word.data());
  }
  pointers.push_back(nullptr);
  return pointers;
}

std::string words_for(int status, const std::string& last_line) {
  std::string text;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    return text;
  }
  text = WIFEXITED(status) ? fmt::format("exit code {}", WEXITSTATUS(status))
                           : fmt::format("signal {}", WTERMSIG(status));
  return last_line.empty() ? text : text + ": " + printable(last_line);
}

}  // namespace

std::expected<ChildProcess, std::string> ChildProcess::start(std::vector<std::string> arguments,
                                                             std::vector<std::string> environment) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return std::unexpected(fmt::format("pipe: {}", std::strerror(errno)));
  }
  UniqueFd read_end(ends[0]);
  const UniqueFd write_end(ends[1]);
  // Not the other end: programs do not expect that their standard output is ever full.
  ::fcntl(read_end.get(), F_SETFL, O_NONBLOCK);
  SpawnPlan plan;
  ::posix_spawn_file_actions_addopen(&plan.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&plan.actions, write_end.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&plan.actions, write_end.get(), STDERR_FILENO);
  ::posix_spawn_file_actions_addchdir_np(&plan.actions, "/");
  pid_t process = -1;
  const int error =
      ::posix_spawn(&process, arguments.front().c_str(), &plan.actions, &plan.attributes,
                    pointers_to(arguments).data(), pointers_to(environment).data());
  if (error != 0) {
    return std::unexpected(fmt::format("{}: {}", arguments.front(), std::strerror(error)));
  }
  return ChildProcess(process, std::move(read_end));
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : process_(std::exchange(other.process_, -1)),
      output_(std::move(other.output_)),
      last_line_(std::move(other.last_line_)),
      line_over_(other.line_over_) {}

// A process that was killed is gone in a moment, so that nobody else has to reap it.
ChildProcess::~ChildProcess() {
  if (process_ > 0) {
    kill();
    while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

void ChildProcess::kill() {
  if (process_ > 0) {
    ::kill(-process_, SIGKILL);
  }
}

std::optional<std::string> ChildProcess::finished() {
  int status = 0;
  const pid_t ended = ::waitpid(process_, &status, WNOHANG);
  read_output();  // also the last words of one that has ended
  if (ended == 0 || (ended < 0 && errno == EINTR)) {
    return std::nullopt;
  }
  const bool reaped = ended == process_;
  process_ = -1;
  return reaped ? words_for(status, last_line_) : "its end was not seen";
}

void ChildProcess::read_output() {
  std::array<char, 4096> bytes;  // NOLINT(cppcoreguidelines-pro-type-member-init): read into
  for (int i = 0; i < kMostReads; ++i) {
    const ssize_t count = ::read(output_.get(), bytes.data(), bytes.size());
    if (count <= 0) {
      return;
    }
    for (const char byte : std::string_view(bytes.data(), static_cast<std::size_t>(count))) {
      if (byte == '\n') {
        line_over_ = true;
        continue;
      }
      if (std::exchange(line_over_, false)) {
        last_line_.clear();
      }
      if (last_line_.size() < kLongestLine) {
        last_line_ += byte;
      }
    }
  }
}

}  // namespace headgate::server
