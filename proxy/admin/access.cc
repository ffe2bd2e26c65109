#include "admin/access.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace headgate::admin {
namespace {

constexpr std::string_view kScheme = "bearer ";

// The token of an Authorization header; empty: none.
std::string_view token_in(std::string_view header) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return header.size() > kScheme.size() &&
                 std::ranges::equal(header.substr(0, kScheme.size()), kScheme, {}, lower)
             ? header.substr(kScheme.size())
             : std::string_view();
}

Response refuse(const Request& request, int status, std::string_view why,
                std::string_view token = {}) {
  log::warning("operator refused", {{"token", token},
                                    {"client", request.peer},
                                    {"method", request.method},
                                    {"path", request.path},
                                    {"why", why}});
  Response response = json_error(status, why);
  if (status == 401) {
    response.headers = "WWW-Authenticate: Bearer realm=\"headgate\"\r\n";
  }
  return response;
}

}  // namespace

Access::Access(std::function<std::shared_ptr<const Tokens>()> in_force)
    : in_force_(std::move(in_force)) {}

Access::Access(const Tokens& tokens)
    : Access(
          [&tokens] { return std::shared_ptr<const Tokens>(std::shared_ptr<void>(), &tokens); }) {}

// Looks at all of them, so that the time tells nothing.
const config::AdminToken* Access::find(const Tokens& tokens, std::string_view token) {
  const config::AdminToken* found = nullptr;
  for (const config::AdminToken& known : tokens) {
    if (known.token.equals(token)) {
      found = &known;
    }
  }
  return found;
}

std::expected<Caller, Response> Access::check(const Request& request,
                                              config::TokenRole needed) const {
  const std::shared_ptr<const Tokens> tokens = in_force_();
  const std::string_view sent = token_in(request.authorization);
  if (request.via == Via::kUnixSocket && (sent.empty() || tokens->empty())) {
    return Caller{.token = {}, .address = std::string(request.peer)};
  }
  if (tokens->empty()) {
    if (needed == config::TokenRole::kOperator) {
      return std::unexpected(refuse(request, 403,
                                    "nothing can be changed without a token: admin.tokens in the "
                                    "configuration has none with role operator"));
    }
    if (request.via != Via::kLoopback) {
      return std::unexpected(refuse(request, 403,
                                    "this is no loopback address, so the API needs a "
                                    "token: admin.tokens in the configuration has none"));
    }
    return Caller{.token = {}, .address = std::string(request.peer)};
  }
  if (sent.empty()) {
    return std::unexpected(refuse(request, 401, "a token is needed: Authorization: Bearer TOKEN"));
  }
  const config::AdminToken* token = find(*tokens, sent);
  if (token == nullptr) {
    return std::unexpected(refuse(request, 401, "the token is not known"));
  }
  if (needed == config::TokenRole::kOperator && token->role != config::TokenRole::kOperator) {
    return std::unexpected(
        refuse(request, 403, "the token may only read; this needs role operator", token->name));
  }
  return Caller{.token = token->name, .address = std::string(request.peer)};
}

}  // namespace headgate::admin
