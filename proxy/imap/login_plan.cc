#include "imap/login_plan.h"

#include <cstddef>
#include <string>

#include "base/base64.h"
#include "imap/id_command.h"
#include "imap/quoting.h"
#include "imap/sasl.h"

namespace headgate::imap {

namespace {

using dialogue::BackendFailed;
using dialogue::BackendLoginRequest;
using dialogue::LoginFailure;

// RFC 7888 section 5: with LITERAL- a non-synchronizing literal has at most this many bytes.
constexpr std::size_t kLiteralMinusMost = 4096;

// Where the next bytes of a plan go: behind the last continuation that is waited for.
Secret& tail(LoginPlan& plan) {
  return plan.on_continuation.empty() ? plan.first : plan.on_continuation.back();
}

void append_astring(std::string_view value, const CapabilityList& capabilities, LoginPlan& plan) {
  if (fits_quoted(value)) {
    append_quoted(value, tail(plan));
    return;
  }
  const bool waits = !capabilities.has("LITERAL+") &&
                     !(capabilities.has("LITERAL-") && value.size() <= kLiteralMinusMost);
  tail(plan).append('{' + std::to_string(value.size()) + (waits ? "}\r\n" : "+}\r\n"));
  if (waits) {
    plan.on_continuation.emplace_back();
  }
  tail(plan).append(value);
}

void plan_login_command(const BackendLoginRequest& request, const CapabilityList& capabilities,
                        LoginPlan& plan) {
  plan.first.append(kLoginTag);
  plan.first.append(" LOGIN ");
  append_astring(request.user, capabilities, plan);
  tail(plan).append(' ');
  append_astring(request.password.view(), capabilities, plan);
  tail(plan).append("\r\n");
}

void plan_authenticate(const BackendLoginRequest& request, const CapabilityList& capabilities,
                       LoginPlan& plan) {
  Secret message(request.authorization);
  message.append('\0');
  message.append(request.user);
  message.append('\0');
  message.append(request.password.view());
  plan.authenticate = true;
  plan.first.append(kLoginTag);
  plan.first.append(" AUTHENTICATE PLAIN");
  if (capabilities.has("SASL-IR")) {
    plan.first.append(' ');
  } else {
    plan.first.append("\r\n");
    plan.on_continuation.emplace_back();
  }
  base64_encode(message.view(), tail(plan));
  tail(plan).append("\r\n");
}

}  // namespace

std::expected<LoginPlan, BackendFailed> plan_login(const BackendLoginRequest& request,
                                                   const CapabilityList& capabilities) {
  const bool disabled = capabilities.has("LOGINDISABLED");
  const bool authenticate = disabled || !request.authorization.empty();
  if (authenticate && !capabilities.has("AUTH=PLAIN")) {
    return std::unexpected(BackendFailed{
        LoginFailure::kBackendMisconfigured,
        disabled ? "LOGINDISABLED and no AUTH=PLAIN" : "no AUTH=PLAIN for the master user"});
  }
  LoginPlan plan;
  plan.id = request.forward_client && capabilities.has("ID");
  if (plan.id) {
    plan.first.append(kIdTag);
    plan.first.append(" ID ");
    plan.first.append(make_id_list(request.client));
    plan.first.append("\r\n");
  }
  if (authenticate) {
    plan_authenticate(request, capabilities, plan);
  } else {
    plan_login_command(request, capabilities, plan);
  }
  return plan;
}

}  // namespace headgate::imap
