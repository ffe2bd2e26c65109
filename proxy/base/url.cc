#include "base/url.h"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace headgate {
namespace {

constexpr std::string_view kPlain = "http://";
constexpr std::string_view kTls = "https://";
constexpr std::string_view kUnix = "unix:";
constexpr std::uint16_t kPlainPort = 80;
constexpr std::uint16_t kTlsPort = 443;

// What may stand in a request line as it is.
bool is_target(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f' && c != '#'; });
}

bool has_port(std::string_view authority) {
  const std::size_t bracket = authority.rfind(']');
  return authority.find(':', bracket == authority.npos ? 0 : bracket) != authority.npos;
}

// "SOCKET", "SOCKET:/PATH", "SOCKET:/PATH?QUERY".
std::optional<Url> parse_unix(std::string_view text) {
  const std::size_t end = std::min(text.find(':'), text.size());
  const auto socket = SocketAddress::parse(text.substr(0, end));
  const std::string_view target = text.substr(std::min(end + 1, text.size()));
  if (!socket || socket->path.empty() || !is_target(socket->path) || !is_target(target) ||
      !(target.empty() || target.starts_with('/'))) {
    return std::nullopt;
  }
  return Url{.address = {"localhost", kPlainPort},
             .target = target.empty() ? "/" : std::string(target),
             .socket = socket->path};
}

}  // namespace

std::expected<Url, std::string> Url::parse(std::string_view text) {
  const auto wrong = std::unexpected<std::string>(
      "expected http://HOST:PORT/PATH, the same with https, or http://unix:SOCKET:/PATH, for "
      "example http://127.0.0.1:8080/auth");
  Url url;
  url.tls = text.starts_with(kTls);
  if (!url.tls && !text.starts_with(kPlain)) {
    return wrong;
  }
  text.remove_prefix(url.tls ? kTls.size() : kPlain.size());
  if (!url.tls && text.starts_with(kUnix)) {
    const auto local = parse_unix(text.substr(kUnix.size()));
    return local ? std::expected<Url, std::string>(*local) : wrong;
  }
  const std::size_t end = std::min(text.find_first_of("/?"), text.size());
  std::string authority(text.substr(0, end));
  if (!has_port(authority)) {
    authority += ':' + std::to_string(url.tls ? kTlsPort : kPlainPort);
  }
  const auto address = HostPort::parse(authority);
  const std::string_view target = text.substr(end);
  if (!address || address->port == 0 || !is_target(target)) {
    return wrong;
  }
  url.address = *address;
  url.target = target.starts_with('/') ? "" : "/";
  url.target += target;
  return url;
}

std::string Url::to_string() const {
  if (!socket.empty()) {
    return std::string(kPlain).append(kUnix).append(socket).append(":").append(target);
  }
  return std::string(tls ? kTls : kPlain) + address.to_string() + target;
}

}  // namespace headgate
