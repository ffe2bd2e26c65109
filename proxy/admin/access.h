#pragma once

#include <expected>
#include <functional>
#include <memory>
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
  using Tokens = std::vector<config::AdminToken>;
  // `in_force` gives the tokens that count at this moment, on any thread.
  Access(std::function<std::shared_ptr<const Tokens>()> in_force, const Endpoint& address);
  // Always these, which must outlive it.
  Access(const Tokens& tokens, const Endpoint& address);

  // The error is the answer to send. What is refused stands in the log.
  [[nodiscard]] std::expected<Caller, Response> check(const Request& request,
                                                      config::TokenRole needed) const;

 private:
  static const config::AdminToken* find(const Tokens& tokens, std::string_view token);

  std::function<std::shared_ptr<const Tokens>()> in_force_;
  bool loopback_;
};

}  // namespace headgate::admin
