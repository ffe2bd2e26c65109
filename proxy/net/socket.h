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
};
// nullopt-like result: an fd of -1 with errno_code EAGAIN when nothing waits; EMFILE and ENFILE are
// for the caller to back off from; ECONNABORTED and its like are skipped inside.
struct AcceptResult {
  Accepted accepted;
  int errno_code = 0;
};
AcceptResult accept_tcp(int listener);

// Begins a non-blocking connect. TCP_NODELAY is set; keepalive as given.
std::expected<UniqueFd, int> connect_tcp(const Endpoint& address);

struct KeepAlive {
  unsigned idle_s = 120;
  unsigned interval_s = 30;
  unsigned probes = 4;
};
// TCP_NODELAY and keepalive for an accepted or connected socket; failures do not matter.
void tune(int fd, const KeepAlive& keepalive);

Endpoint local_endpoint(int fd);

// All addresses of a host name or literal, in the resolver's order. Blocks: for the supervisor and
// the thread pool, never on a worker's loop.
std::expected<std::vector<Endpoint>, std::string> resolve(const HostPort& host);

}  // namespace headgate::net
