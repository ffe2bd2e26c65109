#include "base/url.h"

#include <algorithm>
#include <cstdint>

namespace headgate {
namespace {

constexpr std::string_view kPlain = "http://";
constexpr std::string_view kTls = "https://";
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

}  // namespace

std::expected<Url, std::string> Url::parse(std::string_view text) {
  const auto wrong = std::unexpected<std::string>(
      "expected http://HOST:PORT/PATH or the same with https, for example "
      "http://127.0.0.1:8080/auth");
  Url url;
  url.tls = text.starts_with(kTls);
  if (!url.tls && !text.starts_with(kPlain)) {
    return wrong;
  }
  text.remove_prefix(url.tls ? kTls.size() : kPlain.size());
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
  return std::string(tls ? kTls : kPlain) + address.to_string() + target;
}

}  // namespace headgate
