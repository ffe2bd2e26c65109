#include "imap/login_plan.h"

#include <cstddef>
#include <string>
#include <utility>

#include "base/base64.h"
#include "imap/id_command.h"
#include "imap/quoting.h"
#include "imap/sasl.h"

namespace headgate::imap {

namespace {

using dialogue::BackendFailed;
using dialogue::BackendLoginRequest;
using dialogue::BackendProof;
using dialogue::LoginFailure;

// RFC 7888 section 5: with LITERAL- a non-synchronizing literal has at most this many bytes.
constexpr std::size_t kLiteralMinusMost = 4096;

// A longer message goes on a line of its own: a backend may read command lines of so much and no
// more (RFC 2683 section 3.2.1.5 asks for 8,000 bytes), and SASL responses of any length.
constexpr std::size_t kLongestInitialResponse = 2048;

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

Secret plain_message(const BackendLoginRequest& request) {
  Secret message(request.authorization);
  message.append('\0');
  message.append(request.user);
  message.append('\0');
  message.append(request.password.view());
  return message;
}

void append_token(const BackendLoginRequest& request, Secret& message) {
  message.append("\1auth=Bearer ");
  message.append(request.password.view());
  message.append("\1\1");
}

Secret xoauth2_message(const BackendLoginRequest& request) {
  Secret message("user=");
  message.append(request.user);
  append_token(request, message);
  return message;
}

// RFC 7628 section 3.1, with the name as a saslname of RFC 5801.
Secret oauthbearer_message(const BackendLoginRequest& request) {
  Secret message("n,a=");
  for (const char byte : request.user) {
    if (byte == ',' || byte == '=') {
      message.append(byte == ',' ? "=2C" : "=3D");
    } else {
      message.append(byte);
    }
  }
  message.append(',');
  append_token(request, message);
  return message;
}

Secret external_message(const BackendLoginRequest& request) {
  return Secret(request.user);
}

// A mechanism as a client of it sees it: one message, and an answer to the challenge by which a
// refusal may say more before the reply.
struct Mechanism {
  std::string_view name;
  std::string_view capability;
  Secret (*message)(const BackendLoginRequest& request);
  std::string_view to_refusal;  // with its line end; empty: there is no such challenge
};
constexpr Mechanism kPlain = {"PLAIN", "AUTH=PLAIN", plain_message, ""};
constexpr Mechanism kXoauth2 = {"XOAUTH2", "AUTH=XOAUTH2", xoauth2_message, "\r\n"};
constexpr Mechanism kOauthbearer = {"OAUTHBEARER", "AUTH=OAUTHBEARER", oauthbearer_message,
                                    "AQ==\r\n"};
constexpr Mechanism kExternal = {"EXTERNAL", "AUTH=EXTERNAL", external_message, ""};

void plan_authenticate(const Mechanism& mechanism, const BackendLoginRequest& request,
                       const CapabilityList& capabilities, LoginPlan& plan) {
  const Secret message = mechanism.message(request);
  plan.authenticate = true;
  plan.first.append(kLoginTag);
  plan.first.append(" AUTHENTICATE ");
  plan.first.append(mechanism.name);
  if (capabilities.has("SASL-IR") && message.size() <= kLongestInitialResponse) {
    plan.first.append(' ');
  } else {
    plan.first.append("\r\n");
    plan.on_continuation.emplace_back();
  }
  base64_encode(message.view(), tail(plan));
  tail(plan).append("\r\n");
  if (!mechanism.to_refusal.empty()) {
    plan.on_continuation.emplace_back(mechanism.to_refusal);
  }
}

using Choice = std::expected<const Mechanism*, BackendFailed>;

Choice misconfigured(std::string why) {
  return std::unexpected(BackendFailed{LoginFailure::kBackendMisconfigured, std::move(why)});
}

Choice choose_for_token(const Mechanism& wanted, const Mechanism& other,
                        const CapabilityList& capabilities) {
  if (capabilities.has(wanted.capability)) {
    return &wanted;
  }
  return capabilities.has(other.capability) ? Choice(&other)
                                            : misconfigured("no AUTH=XOAUTH2 nor AUTH=OAUTHBEARER");
}

// How to log in there; null: by the command LOGIN.
Choice choose_mechanism(const BackendLoginRequest& request, const CapabilityList& capabilities) {
  switch (request.proof) {
    case BackendProof::kPassword:
      break;
    case BackendProof::kXoauth2:
      return choose_for_token(kXoauth2, kOauthbearer, capabilities);
    case BackendProof::kOauthbearer:
      return choose_for_token(kOauthbearer, kXoauth2, capabilities);
    case BackendProof::kExternal:
      return capabilities.has(kExternal.capability) ? Choice(&kExternal)
                                                    : misconfigured("no AUTH=EXTERNAL");
  }
  const bool disabled = capabilities.has("LOGINDISABLED");
  if (!disabled && request.authorization.empty()) {
    return nullptr;
  }
  if (!capabilities.has(kPlain.capability)) {
    return misconfigured(disabled ? "LOGINDISABLED and no AUTH=PLAIN"
                                  : "no AUTH=PLAIN for the master user");
  }
  return &kPlain;
}

}  // namespace

std::expected<LoginPlan, BackendFailed> plan_login(const BackendLoginRequest& request,
                                                   const CapabilityList& capabilities) {
  const Choice mechanism = choose_mechanism(request, capabilities);
  if (!mechanism) {
    return std::unexpected(mechanism.error());
  }
  LoginPlan plan;
  plan.id = request.forward_client && capabilities.has("ID");
  if (plan.id) {
    plan.first.append(kIdTag);
    plan.first.append(" ID ");
    plan.first.append(make_id_list(request.client));
    plan.first.append("\r\n");
  }
  if (*mechanism != nullptr) {
    plan_authenticate(**mechanism, request, capabilities, plan);
  } else {
    plan_login_command(request, capabilities, plan);
  }
  return plan;
}

}  // namespace headgate::imap
