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
  std::string token;    // its name; empty: none was needed
  std::string address;  // of the peer; see Request::peer

  // Who did something, where there is room for one name.
  [[nodiscard]] const std::string& name() const { return token.empty() ? address : token; }
};

// Who may use the API. A token travels as "Authorization: Bearer TOKEN" (RFC 6750). Without
// configured tokens anyone who reaches a loopback address may read, and nobody may change anything.
// Whoever may open a Unix socket may do everything there: its file has bits and a group for that. A
// token that is sent all the same counts, so that the log has its name and its role holds.
class Access {
 public:
  using Tokens = std::vector<config::AdminToken>;
  // `in_force` gives the tokens that count at this moment, on any thread.
  explicit Access(std::function<std::shared_ptr<const Tokens>()> in_force);
  // Always these, which must outlive it.
  explicit Access(const Tokens& tokens);

  // The error is the answer to send. What is refused stands in the log.
  [[nodiscard]] std::expected<Caller, Response> check(const Request& request,
                                                      config::TokenRole needed) const;

 private:
  static const config::AdminToken* find(const Tokens& tokens, std::string_view token);

  std::function<std::shared_ptr<const Tokens>()> in_force_;
};

}  // namespace headgate::admin
