#pragma once

#include <expected>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/unique_fd.h"

namespace headgate::net {

// A bound, listening, non-blocking TCP socket with SO_REUSEADDR and SO_REUSEPORT. The error says
// what failed and why ("bind 0.0.0.0:993: Permission denied").
std::expected<UniqueFd, std::string> listen_tcp(const Endpoint& address, int backlog);

struct Accepted {
  UniqueFd fd;
  Endpoint peer;
  Endpoint local;  // for the listener to fill in: mostly it knows without asking the kernel
};
// Without a socket errno_code says why: EAGAIN when nothing waits; EMFILE, ENFILE, ENOBUFS and
// ENOMEM are for the caller to back off from; ECONNABORTED and its like are skipped inside. The
// socket is non-blocking and close-on-exec.
struct AcceptResult {
  Accepted accepted;
  int errno_code = 0;
};
AcceptResult accept_tcp(int listener);

struct KeepAlive {
  unsigned idle_s = 120;  // 0: no keepalive
  unsigned interval_s = 30;
  unsigned probes = 4;
};

// Bytes written to the socket that the peer has not acknowledged; 0 on errors.
std::size_t unacknowledged(int fd);

// Begins a non-blocking connect. TCP_NODELAY is set; keepalive as given.
std::expected<UniqueFd, int> connect_tcp(const Endpoint& address, const KeepAlive& keepalive = {});
// The same by the path of a Unix socket.
std::expected<UniqueFd, int> connect_unix(const std::string& path);
// TCP_NODELAY and keepalive; failures do not matter. Accepted sockets inherit what was set on their
// listener (Linux), so tune the listener once and not each connection.
void tune(int fd, const KeepAlive& keepalive);

Endpoint local_endpoint(int fd);

// All addresses of a host name or literal, in the resolver's order. Blocks: for the supervisor and
// the thread pool, never on a worker's loop.
std::expected<std::vector<Endpoint>, std::string> resolve(const HostPort& host);

}  // namespace headgate::net
