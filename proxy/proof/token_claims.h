#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dialogue/failure.h"

namespace headgate::proof {

// What a token says about itself: the payload of a JSON Web Token (RFC 7519, 4.1) or the answer to
// an introspection request (RFC 7662, 2.2).
struct TokenClaims {
  bool active = false;      // introspection alone
  std::string issuer = {};  // empty: none
  std::vector<std::string> audience = {};
  std::vector<std::string> scopes = {};      // from `scope` or `scp`
  std::optional<std::int64_t> expires = {};  // seconds since 1970, as is the next
  std::optional<std::int64_t> not_before = {};
  std::string user = {};  // the claim that was asked for; empty: not there

  // A JSON object; `user_claim` says which member names the user. A member of another type than
  // its RFC says is an error. The error never quotes the text.
  static std::expected<TokenClaims, std::string> parse(std::string_view json,
                                                       std::string_view user_claim);
};

// What a token must say to be let in.
struct TokenRules {
  std::vector<std::string> issuers = {};   // one of these; empty: any
  std::vector<std::string> audience = {};  // one of these; empty: any
  std::vector<std::string> scopes = {};    // all of these
  std::string user_claim = "email";
  bool match_user = true;  // the client's name must be the token's
  std::chrono::seconds leeway{30};
};

struct TokenFault {
  dialogue::LoginFailure failure = dialogue::LoginFailure::kWrongCredentials;
  std::string why = {};  // for the log; printable
};

// What is wrong with a token whose signature is good, or which the server calls active; nullopt:
// nothing. `named`: the client's own word for who it is, perhaps empty. `now`: seconds since 1970.
// `must_expire`: a token without an end is refused.
std::optional<TokenFault> fault_of(const TokenClaims& claims, const TokenRules& rules,
                                   std::string_view named, std::int64_t now, bool must_expire);

}  // namespace headgate::proof
