#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/address.h"

namespace headgate::net {

// HAProxy's PROXY protocol, versions 1 and 2 (proxy-protocol.txt), as a pure parser.
struct ProxyHeader {
  std::size_t length = 0;  // bytes that belong to the header
  bool local =
      false;  // LOCAL or UNKNOWN: a health check of the balancer; use the socket's own addresses
  Endpoint client;  // families may differ (v4 behind v6 and the like)
  Endpoint server;
  std::string authority;  // TLV 0x02: SNI the balancer saw
};
struct ProxyHeaderIncomplete {};
struct ProxyHeaderBroken {
  std::string_view why;
};
// Looks at the first bytes of a connection. Never wants more than 107 bytes for version 1 and
// 16 + 4096 for version 2.
using ProxyHeaderResult = std::variant<ProxyHeaderIncomplete, ProxyHeader, ProxyHeaderBroken>;
ProxyHeaderResult parse_proxy_header(std::string_view bytes);

}  // namespace headgate::net
