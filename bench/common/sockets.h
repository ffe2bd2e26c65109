#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>

namespace headgate::bench {

// Raises the soft limit of open files to the hard one; returns what now holds.
std::uint64_t raise_fd_limit();

// An IPv4 address and a port. Throws std::invalid_argument on anything else: the bench talks to
// loopback.
sockaddr_in parse_address(const std::string& host, std::uint16_t port);

// A listening socket, non-blocking. Throws std::system_error.
int listen_on(const sockaddr_in& address);
std::uint16_t local_port(int fd);

// A non-blocking connect under way, TCP_NODELAY set; -1 and errno when it failed at once.
int connect_to(const sockaddr_in& address);
// The error a connect ended with; 0: connected.
int connect_error(int fd);

}  // namespace headgate::bench
