#include "admin/connections.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

namespace headgate::admin {
namespace {

// What those get that keep others away.
constexpr std::chrono::milliseconds kReadingWhenFull{250};
constexpr std::chrono::milliseconds kSendingWhenFull{2000};

}  // namespace

std::size_t Connections::in(Phase phase) const {
  return static_cast<std::size_t>(std::ranges::count(all_, phase, &Connection::phase));
}

bool Connections::takes(Via via, std::string_view peer) {
  if (via != Via::kNetwork ||
      std::cmp_less(std::ranges::count(all_, peer, &Connection::peer), kMostOfOne)) {
    return true;
  }
  metrics_.count_cut(metrics::AdminCut::kTooMany);
  return false;
}

Connection& Connections::add(Connection connection) {
  Connection& added = all_.emplace_back(std::move(connection));
  metrics_.connections.set(static_cast<std::int64_t>(all_.size()));
  return added;
}

Connection* Connections::find(int fd) {
  const auto found = std::ranges::find(all_, fd, &Connection::fd);
  return found == all_.end() ? nullptr : &*found;
}

void Connections::remove(const Connection& connection) {
  all_.remove_if([&](const Connection& other) { return &other == &connection; });
  metrics_.connections.set(static_cast<std::int64_t>(all_.size()));
}

Connections::Time Connections::deadline(const Connection& connection) const {
  const bool reading = connection.phase == Phase::kReading;
  if (reading && hurried_) {
    return connection.since;
  }
  const auto when_full = reading ? kReadingWhenFull : kSendingWhenFull;
  return connection.since + (full() ? std::min(timeout_, when_full) : timeout_);
}

std::optional<Connections::Time> Connections::cut(Time now, std::string_view farewell) {
  std::optional<Time> next;
  for (Connection& connection : all_) {
    if (connection.phase == Phase::kAnswering || connection.fd < 0) {
      continue;
    }
    const Time end = deadline(connection);
    if (end > now) {
      next = std::min(next.value_or(end), end);
      continue;
    }
    if (connection.phase == Phase::kReading) {
      // Nothing else has been sent: the library speaks when the request is complete.
      [[maybe_unused]] const ssize_t sent =
          ::send(connection.fd, farewell.data(), farewell.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    if (connection.phase == Phase::kSending) {
      // What has not been taken goes with the socket; else the kernel would keep it for minutes.
      const linger at_once{.l_onoff = 1, .l_linger = 0};
      ::setsockopt(connection.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    metrics_.count_cut(metrics::AdminCut::kTooSlow);
    // The library sees the end and closes.
    ::shutdown(connection.fd, SHUT_RDWR);
    connection.fd = -1;
  }
  return next;
}

void Connections::hurry(std::chrono::milliseconds timeout) {
  timeout_ = std::min(timeout_, timeout);
  hurried_ = true;
}

}  // namespace headgate::admin
