#pragma once

#include <string>
#include <vector>

struct ssl_st;

namespace headgate::net {

// What both ends of a TLS connection know of it, and nobody in between who has it end at himself
// with another certificate (RFC 5056). All bytes, not base64.
struct ChannelBindings {
  // tls-exporter (RFC 9266); empty: the connection is not TLS 1.3.
  std::string exporter;
  // tls-server-end-point (RFC 5929 section 4.1) of each certificate that the server has for such
  // connections, since a connection that was resumed does not tell which one it began with. Without
  // those whose signature has no hash function of its own (Ed25519), for which none is defined.
  std::vector<std::string> end_points;

  [[nodiscard]] bool any() const { return !exporter.empty() || !end_points.empty(); }
};

// Of the server's side of a connection whose handshake is over.
ChannelBindings channel_bindings(ssl_st* ssl);

}  // namespace headgate::net
