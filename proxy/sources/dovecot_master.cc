#include "sources/dovecot_master.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <expected>
#include <optional>

#include "base/secret.h"
#include "base/unique_fd.h"
#include "net/socket.h"
#include "sources/dovecot_auth_protocol.h"

namespace headgate::sources {
namespace {

using MasterClock = std::chrono::steady_clock;

std::expected<UniqueFd, std::string> connect_master(const SocketAddress& server) {
  if (!server.path.empty()) {
    auto fd = net::connect_unix(server.path);
    return fd ? std::expected<UniqueFd, std::string>(*std::move(fd))
              : std::unexpected(fmt::format("connect: {}", std::strerror(fd.error())));
  }
  const auto addresses = net::resolve(server.host);
  if (!addresses) {
    return std::unexpected(addresses.error());
  }
  auto fd = net::connect_tcp(addresses->front());
  return fd ? std::expected<UniqueFd, std::string>(*std::move(fd))
            : std::unexpected(fmt::format("connect: {}", std::strerror(fd.error())));
}

// False: not in time.
bool wait_for(int fd, short events, MasterClock::time_point deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - MasterClock::now()).count();
  pollfd one{.fd = fd, .events = events, .revents = 0};
  return ::poll(&one, 1, static_cast<int>(std::max<std::int64_t>(left, 0))) == 1;
}

// The error is what went wrong.
std::optional<std::string> send_all(int fd, std::string_view text,
                                    MasterClock::time_point deadline) {
  while (!text.empty()) {
    if (!wait_for(fd, POLLOUT, deadline)) {
      return "no connection in time";
    }
    const ssize_t sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EINTR && errno != EAGAIN) {
      return std::strerror(errno);
    }
    text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
  }
  return std::nullopt;
}

// Reads lines until one is the answer.
auth::LookupResult read_answer(int fd, std::string_view user, MasterClock::time_point deadline) {
  Secret in;
  std::array<char, 4096> bytes;
  for (;;) {
    const std::size_t length = in.view().find('\n');
    if (std::min(length, in.size()) > kLongestDovecotAuthLine) {
      return auth::Unavailable{"expected a shorter line"};
    }
    if (length != std::string_view::npos) {
      if (auto answer = dovecot_master_answer(in.view().substr(0, length), user)) {
        return *std::move(answer);
      }
      in.consume(length + 1);
      continue;
    }
    if (!wait_for(fd, POLLIN, deadline)) {
      return auth::Unavailable{"no answer in time"};
    }
    const ssize_t got = ::recv(fd, bytes.data(), bytes.size(), 0);
    if (got == 0) {
      return auth::Unavailable{"closed by the service"};
    }
    if (got < 0 && errno != EINTR && errno != EAGAIN) {
      return auth::Unavailable{std::strerror(errno)};
    }
    const auto size = static_cast<std::size_t>(std::max<ssize_t>(got, 0));
    in.append(std::string_view(bytes.data(), size));
    wipe(bytes.data(), size);
  }
}

}  // namespace

auth::LookupResult ask_dovecot_master(const SocketAddress& server, std::string_view service,
                                      std::string_view user, std::chrono::milliseconds timeout) {
  const auto deadline = MasterClock::now() + timeout;
  const auto failure = [&](std::string_view why) {
    return auth::Unavailable{fmt::format("{}: {}", server.to_string(), why)};
  };
  const auto fd = connect_master(server);
  if (!fd) {
    return failure(fd.error());
  }
  if (const auto error = send_all(fd->get(), dovecot_master_request(service, user), deadline)) {
    return failure(*error);
  }
  auth::LookupResult answer = read_answer(fd->get(), user, deadline);
  const auto* unavailable = std::get_if<auth::Unavailable>(&answer);
  return unavailable != nullptr ? failure(unavailable->why) : std::move(answer);
}

auth::LookupResult DovecotMasterDirectory::explain(std::string_view user, Asker& /*asker*/) {
  auth::LookupResult answer =
      ask_dovecot_master(shared_->server, shared_->service, user, shared_->timeout);
  if (auto* accepted = std::get_if<auth::Accepted>(&answer)) {
    auth::Route& route = accepted->route;
    route.use_master = false;
    route.password = nullptr;
    route.master = std::nullopt;
    route.proof = dialogue::BackendProof::kPassword;
    return answer;
  }
  const auto* rejected = std::get_if<auth::Rejected>(&answer);
  if (rejected != nullptr && rejected->failure == dialogue::LoginFailure::kWrongCredentials) {
    return auth::UnknownHere{};
  }
  // Who has shown no password learns nothing of an account.
  if (rejected != nullptr && rejected->failure == dialogue::LoginFailure::kAccountDisabled) {
    return auth::Rejected{.failure = dialogue::LoginFailure::kWrongCredentials,
                          .detail = "nologin"};
  }
  return answer;
}

}  // namespace headgate::sources
