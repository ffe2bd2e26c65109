#include "dialogue/failure.h"

#include <iterator>

namespace headgate::dialogue {

namespace {

using enum LoginFailure;
using enum Fault;
using log::Level;

// One line for all that goes wrong behind Headgate: a user can do nothing else about any of it, and
// an attacker learns nothing about which user lives where.
constexpr std::string_view kTryLater = "Temporary failure, please try again later.";
constexpr std::string_view kBadConfiguration =
    "Internal configuration error, please contact your administrator.";

// clang-format off
constexpr FailureInfo kFailures[] = {
    // failure               name                      fault       retry  delay  level            code                    text
    {kWrongCredentials,      "wrong_credentials",      kClient,    false, true,  Level::kInfo,    "AUTHENTICATIONFAILED", "Authentication failed."},
    {kAuthorizationRefused,  "authorization_refused",  kClient,    false, true,  Level::kInfo,    "AUTHORIZATIONFAILED",  "Authorization failed."},
    {kPrivacyRequired,       "privacy_required",       kClient,    false, false, Level::kInfo,    "PRIVACYREQUIRED",      "Logins are only accepted over TLS."},
    {kExpired,               "expired",                kClient,    false, true,  Level::kInfo,    "EXPIRED",              "Password has expired."},
    {kAccountDisabled,       "account_disabled",       kOperator,  false, true,  Level::kInfo,    "CONTACTADMIN",         "Account is disabled, please contact your administrator."},
    {kLookupUnavailable,     "lookup_unavailable",     kOperator,  false, false, Level::kError,   "UNAVAILABLE",          kTryLater},
    {kNoBackend,             "no_backend",             kOperator,  false, false, Level::kError,   "UNAVAILABLE",          kTryLater},
    {kConnectRefused,        "connect_refused",        kBackend,   true,  false, Level::kWarning, "UNAVAILABLE",          kTryLater},
    {kConnectTimeout,        "connect_timeout",        kNetwork,   true,  false, Level::kWarning, "UNAVAILABLE",          kTryLater},
    {kConnectFailed,         "connect_failed",         kNetwork,   true,  false, Level::kWarning, "UNAVAILABLE",          kTryLater},
    {kBackendTls,            "backend_tls",            kOperator,  true,  false, Level::kError,   "UNAVAILABLE",          kTryLater},
    {kBackendGreeting,       "backend_greeting",       kBackend,   true,  false, Level::kWarning, "UNAVAILABLE",          kTryLater},
    {kBackendProtocol,       "backend_protocol",       kBackend,   true,  false, Level::kError,   "UNAVAILABLE",          kTryLater},
    {kBackendTimeout,        "backend_timeout",        kBackend,   false, false, Level::kWarning, "UNAVAILABLE",          kTryLater},
    {kBackendUnavailable,    "backend_unavailable",    kBackend,   true,  false, Level::kWarning, "UNAVAILABLE",          kTryLater},
    {kBackendLimit,          "backend_limit",          kClient,    false, false, Level::kInfo,    "LIMIT",                "Too many connections or other limit reached."},
    {kBackendMisconfigured,  "backend_misconfigured",  kOperator,  true,  false, Level::kError,   "SERVERBUG",            kBadConfiguration},
    {kLoop,                  "loop",                   kOperator,  false, false, Level::kError,   "SERVERBUG",            kBadConfiguration},
    {kUserLimit,             "user_limit",             kClient,    false, false, Level::kInfo,    "LIMIT",                "Too many sessions of this user."},
    {kUserNetworkLimit,      "user_network_limit",     kClient,    false, false, Level::kInfo,    "LIMIT",                "Too many sessions of this user from this network."},
    {kNetworkLimit,          "network_limit",          kClient,    false, false, Level::kInfo,    "LIMIT",                "Too many sessions from this network."},
    {kListenerFull,          "listener_full",          kOperator,  false, false, Level::kWarning, "LIMIT",                "Too many sessions on this server, please try again later."},
    {kPoolFull,              "pool_full",              kOperator,  false, false, Level::kWarning, "LIMIT",                "Too many sessions on this server, please try again later."},
    {kBackendsFull,          "backends_full",          kOperator,  false, false, Level::kWarning, "LIMIT",                "Too many sessions on this server, please try again later."},
    {kBackendBusy,           "backend_busy",           kBackend,   false, false, Level::kWarning, "UNAVAILABLE",          kTryLater},
    {kUserMoving,            "user_moving",            kOperator,  false, false, Level::kWarning, "UNAVAILABLE",          kTryLater},
    {kGuessing,              "guessing",               kClient,    false, true,  Level::kInfo,    "LIMIT",                "Too many failed logins, please try again later."},
    {kUserGuessed,           "user_guessed",           kClient,    false, true,  Level::kInfo,    "UNAVAILABLE",          kTryLater},
    {kPolicy,                "policy",                 kClient,    false, true,  Level::kInfo,    "AUTHENTICATIONFAILED", "Authentication failed."},
    {kShutdown,              "shutdown",               kNobody,    false, false, Level::kInfo,    "UNAVAILABLE",          "Server is shutting down, please try again."},
    {kInternal,              "internal",               kHeadgate,  false, false, Level::kError,   "SERVERBUG",            "Internal error."},
};
// clang-format on

constexpr std::string_view kFaults[] = {"nobody",  "client",   "backend",
                                        "network", "headgate", "operator"};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kLoginFailureCount; ++i) {
    if (static_cast<std::size_t>(kFailures[i].failure) != i) {
      return false;
    }
  }
  return true;
}
static_assert(std::size(kFailures) == kLoginFailureCount);
static_assert(static_cast<std::size_t>(kInternal) + 1 == kLoginFailureCount);
static_assert(in_order(), "a failure is the index of its row");
static_assert(std::size(kFaults) == static_cast<std::size_t>(kOperator) + 1);

}  // namespace

const FailureInfo& info(LoginFailure failure) {
  return kFailures[static_cast<std::size_t>(failure)];
}

std::span<const FailureInfo> all_failures() {
  return kFailures;
}

std::string_view name(Fault fault) {
  return kFaults[static_cast<std::size_t>(fault)];
}

}  // namespace headgate::dialogue
