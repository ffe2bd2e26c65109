#include "sources/pam_directory.h"

#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/whole_file.h"

namespace headgate::sources {

using dialogue::LoginFailure;

namespace {

constexpr const char* kThisProgram = "/proc/self/exe";

// With the socket as its standard input, and with no signal blocked or ignored.
std::expected<pid_t, std::string> spawn(const PamOptions& options, int socket) {
  ::posix_spawn_file_actions_t actions;
  ::posix_spawnattr_t attributes;
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, socket, STDIN_FILENO);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);

  std::array<std::string, 4> words = {"headgate", "pam-helper", options.service, options.directory};
  std::array<char*, 5> arguments{};
  for (std::size_t i = 0; i < words.size() && !words[i].empty(); ++i) {
    arguments[i] = words[i].data();
  }
  pid_t process = -1;
  const int error =
      ::posix_spawn(&process, kThisProgram, &actions, &attributes, arguments.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return std::unexpected("a helper process: " + error_text(error));
  }
  return process;
}

}  // namespace

PamDirectory::~PamDirectory() {
  end();
}

auth::LookupResult PamDirectory::look_up(const auth::LoginRequest& request, Asker& /*asker*/) {
  const dialogue::Credentials& credentials = request.credentials;
  if (credentials.secret.empty()) {
    return auth::Rejected{LoginFailure::kWrongCredentials};
  }
  const std::string client = request.client.ip.to_string();
  auto answer =
      ask({.user = credentials.user, .client = client, .password = credentials.secret.view()});
  if (!answer) {
    return auth::Unavailable{std::move(answer.error())};
  }
  const auto rejected = [&](LoginFailure failure) {
    auth::Rejected result{.failure = failure};
    result.detail = std::move(answer->text);
    return result;
  };
  switch (answer->verdict) {
    case PamVerdict::kAccepted:
      break;
    case PamVerdict::kWrong:
      return rejected(LoginFailure::kWrongCredentials);
    case PamVerdict::kUnknown:
      return auth::UnknownHere{};
    case PamVerdict::kExpired:
      return rejected(LoginFailure::kExpired);
    case PamVerdict::kDisabled:
      return rejected(LoginFailure::kAccountDisabled);
    case PamVerdict::kFailed:
      return auth::Unavailable{std::move(answer->text)};
  }
  auth::Route route;
  route.user = std::move(answer->text);
  route.use_master = true;
  return auth::Accepted{std::move(route)};
}

auth::LookupResult PamDirectory::explain(std::string_view user, Asker& /*asker*/) {
  if (!shared_->last) {
    return auth::UnknownHere{};  // a source behind this one may know more
  }
  auth::Route route;
  route.user = user;
  route.use_master = true;
  return auth::Accepted{std::move(route)};
}

std::expected<PamAnswer, std::string> PamDirectory::ask(const PamQuestion& question) {
  const Secret message = encode(question);
  std::array<char, kLargestPamMessage> buffer;
  if (message.size() > buffer.size()) {
    return PamAnswer{PamVerdict::kWrong, "longer than PAM is asked about"};
  }
  // A helper that was there before may have ended meanwhile, or be about to: then once more with a
  // new one, if it has not read the question.
  for (;;) {
    const bool was_there = static_cast<bool>(socket_);
    if (!was_there) {
      if (auto started = start(); !started) {
        return std::unexpected(std::move(started.error()));
      }
    }
    if (::send(socket_.get(), message.view().data(), message.size(), MSG_NOSIGNAL) < 0) {
      end();
      if (was_there) {
        continue;
      }
      return std::unexpected("the helper process ended");
    }
    const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    // unix(7): the other side was closed with a message in it that nobody had read.
    const bool unread = size < 0 && errno == ECONNRESET;
    PamAnswer answer;
    if (size <= 0 || !decode({buffer.data(), static_cast<std::size_t>(size)}, answer)) {
      end();
      if (unread && was_there) {
        continue;
      }
      return std::unexpected("the helper process ended before it answered");
    }
    return answer;
  }
}

std::expected<void, std::string> PamDirectory::start() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return std::unexpected("a socket: " + error_text(errno));
  }
  UniqueFd ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  const std::lock_guard lock(mutex_);
  const auto process = spawn(shared_->options, theirs.get());
  if (!process) {
    return std::unexpected(process.error());
  }
  process_ = *process;
  socket_ = std::move(ours);
  return {};
}

// A module may be in the middle of something and not see that the socket is closed.
void PamDirectory::end() {
  socket_ = UniqueFd();
  const std::lock_guard lock(mutex_);
  if (process_ > 0) {
    ::kill(process_, SIGKILL);
    while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
    }
    process_ = -1;
  }
}

void PamDirectory::interrupt() noexcept {
  const std::lock_guard lock(mutex_);
  if (process_ > 0) {
    ::kill(process_, SIGKILL);
  }
}

}  // namespace headgate::sources
