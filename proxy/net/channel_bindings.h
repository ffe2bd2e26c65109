#pragma once

#include <string>
#include <vector>

struct ssl_ctx_st;
struct ssl_st;

namespace headgate::net {

// What both ends of a TLS connection know of it, and nobody in between who has it end at himself
// with another certificate (RFC 5056). All bytes, not base64.
struct ChannelBindings {
  // tls-exporter (RFC 9266); empty: the connection is TLS 1.2 without an extended master secret
  // (RFC 7627), where somebody in between can have the same one on both sides (section 4.2).
  std::string exporter;
  // tls-unique (RFC 5929 section 3), the first Finished message; empty: the same, or TLS 1.3, which
  // has none. What clients of TLS 1.2 take unless they are told otherwise (RFC 5802 section 6).
  std::string unique;
  // tls-server-end-point (RFC 5929 section 4.1) of each certificate that the server has for such
  // connections, since a connection that was resumed does not tell which one it began with. Without
  // those whose signature has no hash function of its own (Ed25519), for which none is defined.
  std::vector<std::string> end_points;

  // Where there is a `unique` there is an `exporter`.
  [[nodiscard]] bool any() const { return !exporter.empty() || !end_points.empty(); }
};

// Of the server's side of a connection whose handshake is over.
ChannelBindings channel_bindings(ssl_st* ssl);

// Whether all connections of a server with this context and this lowest version have some.
bool always_bound(ssl_ctx_st* context);

}  // namespace headgate::net
