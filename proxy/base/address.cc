#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

namespace headgate {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::size_t kV4Size = 4;
constexpr std::size_t kV6Size = 16;
constexpr unsigned kV4Bits = 32;
constexpr unsigned kV6Bits = 128;
constexpr std::size_t kMaxLabel = 63;
constexpr std::size_t kMaxHostName = 253;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_host_character(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

// Digits alone, no sign, no spaces.
std::optional<unsigned> parse_number(std::string_view text, unsigned maximum) {
  unsigned value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end || text.empty() || !is_digit(text.front()) ||
      value > maximum) {
    return std::nullopt;
  }
  return value;
}

struct Split {
  std::string_view host;
  std::uint16_t port = 0;
  bool bracketed = false;
};

// "host:port" or "[v6]:port"; nullopt for anything else, a bare IPv6 address included.
std::optional<Split> split_host_port(std::string_view text) {
  Split split;
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t close = text.find("]:");
    if (close == std::string_view::npos) {
      return std::nullopt;
    }
    split.bracketed = true;
    split.host = text.substr(1, close - 1);
    port = text.substr(close + 2);
  } else {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos || text.find(':', colon + 1) != std::string_view::npos) {
      return std::nullopt;
    }
    split.host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  const auto number = parse_number(port, 65535);
  if (!number) {
    return std::nullopt;
  }
  split.port = static_cast<std::uint16_t>(*number);
  return split;
}

std::string join(std::string_view host, bool bracketed, std::uint16_t port) {
  std::string text;
  text.reserve(host.size() + 8);
  if (bracketed) {
    text.append("[").append(host).append("]");
  } else {
    text.append(host);
  }
  return text.append(":").append(std::to_string(port));
}

bool is_socket_path(std::string_view text) {
  return text.starts_with('/') && text.size() < sizeof(sockaddr_un::sun_path) &&
         !text.contains('\0');
}

}  // namespace

bool is_host_name(std::string_view host) {
  if (host.ends_with('.')) {
    host.remove_suffix(1);
  }
  if (host.empty() || host.size() > kMaxHostName) {
    return false;
  }
  std::string_view label;
  for (std::string_view rest = host;;) {
    const std::size_t dot = rest.find('.');
    label = rest.substr(0, dot);
    if (label.empty() || label.size() > kMaxLabel || label.front() == '-' || label.back() == '-' ||
        !std::ranges::all_of(label, is_host_character)) {
      return false;
    }
    if (dot == std::string_view::npos) {
      return !std::ranges::all_of(label, is_digit);
    }
    rest.remove_prefix(dot + 1);
  }
}

IpAddress IpAddress::from_bytes(std::array<std::uint8_t, 4> v4) {
  IpAddress address;
  std::ranges::copy(v4, address.bytes_.begin());
  return address;
}

IpAddress IpAddress::from_bytes(const std::array<std::uint8_t, 16>& v6) {
  IpAddress address;
  if (std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), v6.begin())) {
    std::copy(v6.begin() + kMappedPrefix.size(), v6.end(), address.bytes_.begin());
    return address;
  }
  address.bytes_ = v6;
  address.v6_ = true;
  return address;
}

std::expected<IpAddress, std::string> IpAddress::parse(std::string_view text) {
  // inet_pton wants a terminated string, and would take one with a NUL inside for its first part.
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  if (text.size() < buffer.size() && text.find('\0') == std::string_view::npos) {
    std::ranges::copy(text, buffer.begin());
    std::array<std::uint8_t, 4> v4{};
    if (inet_pton(AF_INET, buffer.data(), v4.data()) == 1) {
      return from_bytes(v4);
    }
    std::array<std::uint8_t, 16> v6{};
    if (inet_pton(AF_INET6, buffer.data(), v6.data()) == 1) {
      return from_bytes(v6);
    }
  }
  return std::unexpected("expected an IPv4 or IPv6 address");
}

std::string_view IpAddress::bytes() const {
  return {reinterpret_cast<const char*>(bytes_.data()), v6_ ? kV6Size : kV4Size};
}

bool IpAddress::is_loopback() const {
  return v6_ ? bytes_ == decltype(bytes_){0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}
             : bytes_.front() == 127;
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  inet_ntop(v6_ ? AF_INET6 : AF_INET, bytes_.data(), buffer.data(), buffer.size());
  return buffer.data();
}

std::expected<Endpoint, std::string> Endpoint::parse(std::string_view text) {
  if (const auto split = split_host_port(text)) {
    const auto ip = IpAddress::parse(split->host);
    // Brackets belong to IPv6 alone, and the split has seen to it that IPv6 has them.
    if (ip && split->bracketed == split->host.contains(':')) {
      return Endpoint{*ip, split->port};
    }
  }
  return std::unexpected("expected ADDRESS:PORT, for example 192.0.2.1:993 or [2001:db8::1]:993");
}

Endpoint Endpoint::from_sockaddr(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof in);
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &in.sin_addr, bytes.size());
    return {IpAddress::from_bytes(bytes), ntohs(in.sin_port)};
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, address, sizeof in);
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
    return {IpAddress::from_bytes(bytes), ntohs(in.sin6_port)};
  }
  return {};
}

socklen_t Endpoint::to_sockaddr(sockaddr_storage& storage) const {
  storage = {};
  const std::string_view bytes = ip.bytes();
  if (ip.is_v6()) {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port);
    std::memcpy(&in.sin6_addr, bytes.data(), bytes.size());
    std::memcpy(&storage, &in, sizeof in);
    return sizeof in;
  }
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  std::memcpy(&in.sin_addr, bytes.data(), bytes.size());
  std::memcpy(&storage, &in, sizeof in);
  return sizeof in;
}

std::string Endpoint::to_string() const {
  return join(ip.to_string(), ip.is_v6(), port);
}

std::expected<HostPort, std::string> HostPort::parse(std::string_view text) {
  if (const auto split = split_host_port(text)) {
    // A literal is kept in its canonical form, so that one address has one name and one hash.
    if (const auto ip = IpAddress::parse(split->host);
        ip && split->bracketed == split->host.contains(':')) {
      return HostPort{ip->to_string(), split->port};
    }
    if (!split->bracketed && is_host_name(split->host)) {
      return HostPort{std::string(split->host), split->port};
    }
  }
  return std::unexpected(
      "expected HOST:PORT, for example mail1.example.org:993, 192.0.2.1:993 or [2001:db8::1]:993");
}

std::string HostPort::to_string() const {
  return join(host, host.contains(':'), port);
}

std::expected<LocalAddress, std::string> LocalAddress::parse(std::string_view text) {
  constexpr std::string_view kUnix = "unix:";
  if (text.starts_with('/') || text.starts_with(kUnix)) {
    if (text.starts_with(kUnix)) {
      text.remove_prefix(kUnix.size());
    }
    if (is_socket_path(text)) {
      return LocalAddress{.path = std::string(text), .endpoint = {}};
    }
  } else if (const auto endpoint = Endpoint::parse(text)) {
    return LocalAddress{.path = {}, .endpoint = *endpoint};
  }
  return std::unexpected(
      "expected ADDRESS:PORT or the absolute path of a Unix socket, at most 107 bytes, for example "
      "127.0.0.1:9143, [::1]:9143 or /run/headgate/admin.sock");
}

std::expected<SocketAddress, std::string> SocketAddress::parse(std::string_view text) {
  const auto wrong = std::unexpected<std::string>(
      "expected the absolute path of a Unix socket, at most 107 bytes, or HOST:PORT, for example "
      "/run/dovecot/auth-headgate or 192.0.2.1:4143");
  if (text.starts_with('/')) {
    if (!is_socket_path(text)) {
      return wrong;
    }
    return SocketAddress{.path = std::string(text), .host = {}};
  }
  const auto host = HostPort::parse(text);
  if (!host || host->port == 0) {
    return wrong;
  }
  return SocketAddress{.path = {}, .host = *host};
}

std::expected<Network, std::string> Network::parse(std::string_view text) {
  const auto wrong = std::unexpected<std::string>(
      "expected a network in CIDR form, for example 10.0.0.0/8 or 2001:db8::/32");
  const std::size_t slash = text.find('/');
  const std::string_view host = text.substr(0, slash);
  const auto address = IpAddress::parse(host);
  if (!address) {
    return wrong;
  }
  Network network;
  network.address_ = *address;
  network.prefix_ = address->is_v6() ? kV6Bits : kV4Bits;
  if (slash == std::string_view::npos) {
    return network;
  }
  // ::ffff:10.0.0.0/104 is 10.0.0.0/8, as its address is kept as IPv4.
  const unsigned mapped = !address->is_v6() && host.contains(':') ? kV6Bits - kV4Bits : 0;
  const auto prefix = parse_number(text.substr(slash + 1), network.prefix_ + mapped);
  if (!prefix || *prefix < mapped) {
    return wrong;
  }
  network.prefix_ = *prefix - mapped;
  const std::string_view bytes = network.address_.bytes();
  for (unsigned bit = network.prefix_; bit < bytes.size() * 8; ++bit) {
    if ((static_cast<unsigned char>(bytes[bit / 8]) >> (7 - bit % 8) & 1) != 0) {
      return std::unexpected("expected a network without bits behind its prefix length");
    }
  }
  return network;
}

bool Network::contains(const IpAddress& address) const {
  if (address.is_v6() != address_.is_v6()) {
    return false;
  }
  const std::string_view ours = address_.bytes();
  const std::string_view theirs = address.bytes();
  const std::size_t whole = prefix_ / 8;
  if (ours.substr(0, whole) != theirs.substr(0, whole)) {
    return false;
  }
  const unsigned rest = prefix_ % 8;
  return rest == 0 || (static_cast<unsigned char>(ours[whole] ^ theirs[whole]) >> (8 - rest)) == 0;
}

std::string Network::to_string() const {
  return address_.to_string() + "/" + std::to_string(prefix_);
}

}  // namespace headgate
