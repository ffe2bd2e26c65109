#pragma once

#include <expected>
#include <string>
#include <vector>

#include "admin/server.h"
#include "config/config.h"

namespace headgate::admin {

// Who asks, for the log.
struct Caller {
  std::string token;    // its name; empty: none is configured
  std::string address;  // of the peer
};

// Who may use the API. A token travels as "Authorization: Bearer TOKEN" (RFC 6750). Without
// configured tokens anyone who reaches a loopback address may read, and nobody may change anything.
class Access {
 public:
  // `tokens` must outlive it.
  Access(const std::vector<config::AdminToken>& tokens, const Endpoint& address);

  // The error is the answer to send. What is refused stands in the log.
  [[nodiscard]] std::expected<Caller, Response> check(const Request& request,
                                                      config::TokenRole needed) const;

 private:
  [[nodiscard]] const config::AdminToken* find(std::string_view token) const;

  const std::vector<config::AdminToken>& tokens_;
  bool loopback_;
};

}  // namespace headgate::admin
