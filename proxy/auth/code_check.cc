#include "auth/code_check.h"

#include <utility>

namespace headgate::auth {
namespace {

using metrics::Factor;

// What the log says.
std::string_view fault_of(Factor factor) {
  switch (factor) {
    case Factor::kTotpMissing:
      return "the password is right but has no one-time code behind it";
    case Factor::kTotpReplayed:
      return "the password is right but the one-time code has been used";
    case Factor::kTotpOverload:
      return "too many one-time codes at a time";
    default:
      return "the password is right but the one-time code is not";
  }
}

}  // namespace

CodeCheck::CodeCheck(const CodeRules& rules, const proof::TotpSecret* secret, const Secret& given,
                     std::string_view login)
    : rules_(rules), secret_(secret), given_(given), login_(login), parts_(given) {}

LookupResult CodeCheck::answer(std::optional<Route> route) const {
  const bool needed = route && needs_code(route->app_password.has_value());
  auto factor = Factor::kTotp;
  if (secret_ != nullptr) {
    factor = rules_.used->check(*secret_, parts_.code.view(), login_, needed);
  }
  if (!route) {
    return Rejected{dialogue::LoginFailure::kWrongCredentials};
  }
  if (!needed) {
    return Accepted{*std::move(route)};
  }
  if (factor == Factor::kTotp) {
    route->code_length = proof::kCodeDigits;
    return Accepted{*std::move(route)};
  }
  Rejected refused{factor == Factor::kTotpOverload ? dialogue::LoginFailure::kLookupUnavailable
                                                   : dialogue::LoginFailure::kWrongCredentials};
  refused.detail = fault_of(factor);
  refused.factor = factor;
  return refused;
}

}  // namespace headgate::auth
