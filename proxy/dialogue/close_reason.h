#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/log.h"
#include "dialogue/failure.h"

namespace headgate::dialogue {

// Why a session ended: exactly one per session, in its log line and in the metric.
enum class CloseReason : std::uint8_t {
  kClientLogout,     // LOGOUT before login
  kClientClosed,     // the client ended in order (close_notify or FIN)
  kClientReset,      // the client's connection broke
  kClientTlsFailed,  // handshake with the client failed
  kClientProtocol,   // too many bad commands, or bytes that are no IMAP
  kProxyHeader,      // PROXY header missing, broken, late or from an untrusted address
  kTooManyFailures,  // failed logins
  kLoginFailed,      // a login failure that ends the session (backend gone for good)
  kLoginTimeout,     // whole time before login is over
  kLoginTooLarge,    // total bytes before login
  kDroppedForNewer,  // oldest session before login gave way
  kIdleTimeout,      // nothing moved for the idle limit
  kStalledTimeout,   // a side took no bytes for the stall limit while others were waiting
  kBackendClosed,    // the backend ended in order: LOGOUT after login, or BYE
  kBackendReset,     // the backend's connection broke
  kMoved,            // the user's sessions are at another backend now
  kBackendDown,      // health checks took the backend out, and its sessions are to end then
  kGaveWay,          // idle, and its user has a newer session in its place
  kKicked,           // by an operator
  kShutdown,         // Headgate is stopping
  kInternal,         // a fault of Headgate's own
};
inline constexpr std::size_t kCloseReasonCount = 21;

struct CloseInfo {
  CloseReason reason;
  std::string_view name;  // "client_closed"
  Fault fault;
  log::Level level;
  std::string_view farewell;  // text of the BYE before login or on our own initiative; may be empty
};

const CloseInfo& info(CloseReason reason);
std::span<const CloseInfo> all_close_reasons();

}  // namespace headgate::dialogue
