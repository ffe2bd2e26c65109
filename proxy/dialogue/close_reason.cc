#include "dialogue/close_reason.h"

#include <iterator>

namespace headgate::dialogue {

namespace {

using enum CloseReason;
using enum Fault;
using log::Level;

// clang-format off
constexpr CloseInfo kReasons[] = {
    // reason            name                  fault      level            farewell
    {kClientLogout,      "client_logout",      kNobody,   Level::kInfo,    "Logging out."},
    {kClientClosed,      "client_closed",      kNobody,   Level::kInfo,    ""},
    {kClientReset,       "client_reset",       kClient,   Level::kInfo,    ""},
    {kClientTlsFailed,   "client_tls_failed",  kClient,   Level::kInfo,    ""},
    {kClientProtocol,    "client_protocol",    kClient,   Level::kInfo,    "Too many invalid commands."},
    {kProxyHeader,       "proxy_header",       kOperator, Level::kWarning, ""},
    {kTooManyFailures,   "too_many_failures",  kClient,   Level::kInfo,    "Too many failed logins."},
    {kLoginFailed,       "login_failed",       kBackend,  Level::kWarning, "Login failed, please try again later."},
    {kLoginTimeout,      "login_timeout",      kClient,   Level::kInfo,    "Login took too long."},
    {kLoginTooLarge,     "login_too_large",    kClient,   Level::kInfo,    "Too much data before login."},
    {kDroppedForNewer,   "dropped_for_newer",  kNobody,   Level::kWarning, "Too many connections, please try again later."},
    {kIdleTimeout,       "idle_timeout",       kClient,   Level::kInfo,    "Disconnected for inactivity."},
    {kStalledTimeout,    "stalled_timeout",    kNetwork,  Level::kInfo,    ""},
    {kBackendClosed,     "backend_closed",     kNobody,   Level::kInfo,    "Your mail server is out of order, please reconnect."},
    {kBackendReset,      "backend_reset",      kBackend,  Level::kWarning, "Your mail server is out of order, please reconnect."},
    {kMoved,             "moved",              kBackend,  Level::kInfo,    "Your mailbox is served elsewhere now."},
    {kBackendDown,       "backend_down",       kBackend,  Level::kInfo,    "Your mail server is out of order, please reconnect."},
    {kGaveWay,           "gave_way",           kClient,   Level::kInfo,    "A newer session has taken this one's place."},
    {kKicked,            "kicked",             kOperator, Level::kInfo,    "Disconnected by the administrator."},
    {kShutdown,          "shutdown",           kNobody,   Level::kInfo,    "Server is shutting down."},
    {kInternal,          "internal",           kHeadgate, Level::kError,   "Internal error."},
};
// clang-format on

constexpr bool in_order() {
  for (std::size_t i = 0; i < kCloseReasonCount; ++i) {
    if (static_cast<std::size_t>(kReasons[i].reason) != i) {
      return false;
    }
  }
  return true;
}
static_assert(std::size(kReasons) == kCloseReasonCount);
static_assert(static_cast<std::size_t>(kInternal) + 1 == kCloseReasonCount);
static_assert(in_order(), "a reason is the index of its row");

}  // namespace

const CloseInfo& info(CloseReason reason) {
  return kReasons[static_cast<std::size_t>(reason)];
}

std::span<const CloseInfo> all_close_reasons() {
  return kReasons;
}

}  // namespace headgate::dialogue
