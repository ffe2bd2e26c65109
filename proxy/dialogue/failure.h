#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/log.h"

namespace headgate::dialogue {

// Who has to act for this not to happen again.
enum class Fault : std::uint8_t { kNobody, kClient, kBackend, kNetwork, kHeadgate, kOperator };

// Why a login did not succeed. One table (failure.cc) gives for each: the name in logs and metric
// labels, whose fault it is, whether another backend may be tried within the login's deadline,
// the log level, and the reply to the client as RFC 5530 code and text.
enum class LoginFailure : std::uint8_t {
  kWrongCredentials,      // a source or the backend said no: one text for unknown user and wrong
                          // password
  kAuthorizationRefused,  // the authorization identity is not the user
  kPrivacyRequired,       // a login in the clear; nothing was looked up
  kExpired,               // the backend or source said [EXPIRED]
  kAccountDisabled,       // known user, not allowed in: [CONTACTADMIN]
  kLookupUnavailable,     // no source could answer
  kNoBackend,             // the pool has no backend that may be used
  kConnectRefused,        // TCP said no
  kConnectTimeout,        // no answer to the connect within its deadline
  kConnectFailed,         // any other connect error: no route, no local port, …
  kBackendTls,            // handshake or verification failed
  kBackendGreeting,       // greeting was BYE, NO, PREAUTH or no IMAP
  kBackendProtocol,       // the backend broke the protocol or closed in the middle
  kBackendTimeout,        // connected, but no end of the login within its deadline
  kBackendUnavailable,    // the backend said [UNAVAILABLE] or [INUSE]
  kBackendLimit,          // the backend said [LIMIT]
  kBackendMisconfigured,  // the backend cannot do what the pool asks for (LOGINDISABLED, no
                          // STARTTLS)
  kLoop,                  // x-proxy-ttl used up: Headgate talks to itself
  kUserLimit,             // limits of Headgate's own: the user has as many sessions as allowed
  kUserNetworkLimit,      // … from this network
  kNetworkLimit,          // the client's network has
  kListenerFull,          // the listener has
  kPoolFull,              // the pool has
  kBackendsFull,          // each backend that might take the user has
  kBackendBusy,           // too many logins wait for the backend, or this one has too long
  kUserMoving,            // the user is being moved, and this login cannot wait any longer
  kGuessing,              // too many failed logins from there; nothing was looked up
  kUserGuessed,           // too many failed logins of this user, from everywhere
  kPolicy,                // the policy server said no; nothing was looked up
  kShutdown,              // Headgate is stopping
  kInternal,              // a fault of Headgate's own
};
inline constexpr std::size_t kLoginFailureCount = 31;

struct FailureInfo {
  LoginFailure failure;
  std::string_view name;  // "wrong_credentials": logs and metric label
  Fault fault;
  bool retry_elsewhere;  // another backend may be tried, since this one never judged the user
  bool delayed;          // the reply waits for the configured failure delay
  log::Level level;
  std::string_view code;  // RFC 5530 response code without brackets; never empty
  std::string_view text;  // human readable, ours, the same for every user
};

const FailureInfo& info(LoginFailure failure);
std::span<const FailureInfo> all_failures();
// What counts against a backend: it, or the way to it, failed; the user was not judged.
constexpr bool blames_backend(const FailureInfo& info) {
  return info.retry_elsewhere && (info.fault == Fault::kBackend || info.fault == Fault::kNetwork);
}
std::string_view name(Fault fault);

}  // namespace headgate::dialogue
