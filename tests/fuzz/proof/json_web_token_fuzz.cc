#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "proof/json_web_token.h"
#include "proof/token_claims.h"

// Any bytes are a token, a key set and claims, or errors with a reason. What is a token has bounds,
// what is a key set has keys, and nobody is let in without a name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headgate::proof;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto require = [](bool held) {
    if (!held) {
      std::abort();
    }
  };
  const auto token = JsonWebToken::parse(text);
  require(token ? token->payload.size() <= JsonWebToken::kLargest : !token.error().empty());
  const auto keys = JsonWebKeySet::parse(text);
  require(keys ? keys->size() > 0 && keys->size() <= JsonWebKeySet::kMostKeys
               : !keys.error().empty());
  if (token && keys) {
    require(keys->verify(*token) != JsonWebKeySet::Verdict::kGood);
  }
  const auto claims = TokenClaims::parse(text, "email");
  require(claims || !claims.error().empty());
  if (claims) {
    const auto fault = fault_of(*claims, {}, "", 1'700'000'000, false);
    require(fault ? !fault->why.empty() : !claims->user.empty());
  }
  return 0;
}
