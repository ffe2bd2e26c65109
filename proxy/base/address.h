#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace headgate {

// An IPv4 or IPv6 address. IPv4-mapped IPv6 (::ffff:a.b.c.d) is kept as IPv4, so that one client
// has one name whichever socket it came by.
class IpAddress {
 public:
  IpAddress() = default;  // 0.0.0.0
  static std::expected<IpAddress, std::string> parse(std::string_view text);
  static IpAddress from_bytes(std::array<std::uint8_t, 4> v4);
  static IpAddress from_bytes(const std::array<std::uint8_t, 16>& v6);

  [[nodiscard]] bool is_v6() const { return v6_; }
  [[nodiscard]] bool is_any() const { return bytes_ == decltype(bytes_){}; }  // 0.0.0.0 or ::
  [[nodiscard]] bool is_loopback() const;                                     // 127.0.0.0/8 or ::1
  // 4 or 16 bytes in network order.
  [[nodiscard]] std::string_view bytes() const;
  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
  bool v6_ = false;
};

// Address and port.
struct Endpoint {
  IpAddress ip;
  std::uint16_t port = 0;

  // Accepts "192.0.2.1:993" and "[2001:db8::1]:993". The error says what was expected.
  static std::expected<Endpoint, std::string> parse(std::string_view text);
  // Any other family than AF_INET and AF_INET6 gives 0.0.0.0:0.
  static Endpoint from_sockaddr(const sockaddr* address);
  // Fills `storage` and returns the length that bind and connect want.
  socklen_t to_sockaddr(sockaddr_storage& storage) const;
  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// Whether this is a DNS name of letters, digits, '-' and '_', with or without the final dot. One
// whose last label is a number is none: it would be a mistyped IPv4 address.
bool is_host_name(std::string_view host);

// Host name or address literal, and port: "mail1.example.org:993", "[::1]:143", "10.0.0.1:143".
struct HostPort {
  std::string host;  // without brackets
  std::uint16_t port = 0;

  static std::expected<HostPort, std::string> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;  // brackets where the host is IPv6
  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// Where a server of the machine or of the network listens: the absolute path of a Unix socket, or
// a host and its port.
struct SocketAddress {
  std::string path;  // empty: by host
  HostPort host;

  static std::expected<SocketAddress, std::string> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const { return path.empty() ? host.to_string() : path; }
  friend bool operator==(const SocketAddress&, const SocketAddress&) = default;
};

// Where Headgate itself listens: the absolute path of a Unix socket, or an address and a port.
struct LocalAddress {
  std::string path;  // empty: by endpoint
  Endpoint endpoint;

  // Accepts what Endpoint does, and "/run/headgate/admin.sock", also with "unix:" before it.
  static std::expected<LocalAddress, std::string> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const { return path.empty() ? endpoint.to_string() : path; }
  friend bool operator==(const LocalAddress&, const LocalAddress&) = default;
};

// A network in CIDR form; a bare address is a network of one.
class Network {
 public:
  static std::expected<Network, std::string> parse(std::string_view text);
  [[nodiscard]] bool contains(const IpAddress& address) const;
  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const Network&, const Network&) = default;

 private:
  IpAddress address_;
  unsigned prefix_ = 0;
};

}  // namespace headgate
