#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "base/address.h"

namespace headgate {

// Where a request over HTTP goes.
struct Url {
  bool tls = false;         // https
  HostPort address;         // the port is that of the scheme where the text has none
  std::string target;       // path and query; begins with '/'
  std::string socket = {};  // absolute path of a Unix socket; then the address is localhost:80

  // Accepts http://HOST[:PORT][/PATH][?QUERY], the same with https, and, as nginx writes it,
  // http://unix:SOCKET[:/PATH][?QUERY]. No user name, no fragment, and nothing but printable ASCII.
  // The error says what was expected.
  static std::expected<Url, std::string> parse(std::string_view text);
  // The port always stands there, so that one place has one name.
  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const Url&, const Url&) = default;
};

}  // namespace headgate
