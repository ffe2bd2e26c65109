#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"

// Questions to DNS servers, by the C library's resolver. They block, for up to some seconds for
// each server that does not answer: not for a worker's loop.
namespace headgate::net {

// What the C library's resolver can be told to ask, all of them IPv4.
inline constexpr std::size_t kMostDnsServers = 3;

// Where a service is, as DNS says (RFC 2782).
struct SrvRecord {
  std::string target;          // host name in lower case without the last dot; "": not offered
  std::uint16_t port = 0;      // as it came, so 0 may be there
  std::uint16_t priority = 0;  // those with the least come first
  std::uint16_t weight = 0;    // share among those of one priority
  friend bool operator==(const SrvRecord&, const SrvRecord&) = default;
};

struct SrvReply {
  std::vector<SrvRecord> records;  // at least one, in the server's order
  std::chrono::seconds ttl{0};     // the least of the records'
};

// The SRV records of a DNS message (RFC 1035, section 4.1). The error says why there are none.
std::expected<SrvReply, std::string> parse_srv_reply(std::string_view message);

// The addresses of a DNS message, IPv4 and IPv6; empty: none, or no such message.
std::vector<IpAddress> parse_address_reply(std::string_view message);

// The SRV records of `name`. `servers` are asked instead of those of /etc/resolv.conf, when there
// are any; at most kMostDnsServers of them, and none that is IPv6.
std::expected<SrvReply, std::string> look_up_srv(const std::string& name,
                                                 std::span<const Endpoint> servers);

// As resolve() of net/socket.h, but of these servers and of nothing else, when there are any: IPv4
// before IPv6, each kind sorted, so that servers that rotate their answers change nothing.
std::expected<std::vector<Endpoint>, std::string> resolve(const HostPort& host,
                                                          std::span<const Endpoint> servers);

}  // namespace headgate::net
