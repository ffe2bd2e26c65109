#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

// Label values that are neither names from the configuration nor tables of the dialogue room.
namespace headgate::metrics {

// What a session is doing; each open session is in exactly one.
enum class Phase : std::uint8_t {
  kTlsAccept,
  kClientLogin,
  kLookUp,
  kQueue,  // waits for its turn at a backend
  kConnect,
  kBackendTls,
  kBackendLogin,
  kRelay,
};
inline constexpr std::array<std::string_view, 8> kPhaseNames = {
    "tls_accept", "client_login", "look_up",       "queue",
    "connect",    "backend_tls",  "backend_login", "relay"};

// Part of a login that is timed.
enum class Stage : std::uint8_t {
  kTls,           // handshake with the client
  kLookup,        // all user sources that were asked
  kConnect,       // to the backend that let the user in, TLS included
  kBackendLogin,  // from the login command to the backend's OK
  kTotal,         // from the client's credentials to the answer
};
inline constexpr std::array<std::string_view, 5> kStageNames = {"tls", "lookup", "connect",
                                                                "backend_login", "total"};

enum class Side : std::uint8_t { kClient, kBackend };
inline constexpr std::array<std::string_view, 2> kSideNames = {"client", "backend"};

// Who seals and opens the records of a connection after the login.
inline constexpr std::array<std::string_view, 2> kRecordsByNames = {"openssl", "headgate"};

enum class TlsVersion : std::uint8_t { kTls12, kTls13, kUnknown };  // unknown: failed before it
inline constexpr std::array<std::string_view, 3> kTlsVersionNames = {"TLSv1.2", "TLSv1.3",
                                                                     "unknown"};

// How a request to a lookup server ended.
inline constexpr std::array<std::string_view, 7> kLookupResultNames = {
    "accepted", "refused", "wait", "invalid", "timeout", "failed", "abandoned"};

enum class Direction : std::uint8_t { kToBackend, kToClient };
inline constexpr std::array<std::string_view, 2> kDirectionNames = {"to_backend", "to_client"};

enum class AcceptError : std::uint8_t { kEmfile, kEnfile, kEnobufs, kEnomem, kOther };
inline constexpr std::array<std::string_view, 5> kAcceptErrorNames = {"EMFILE", "ENFILE", "ENOBUFS",
                                                                      "ENOMEM", "other"};
AcceptError accept_error_from(int errno_code);

// How a question to a user source ended. A question that waits in the queue past
// the deadline counts as a timeout; queue_full and breaker_open never reached the source.
enum class SourceResult : std::uint8_t {
  kAccepted,
  kRejected,
  kUnknown,
  kWait,  // it is to be asked again
  kUnavailable,
  kTimeout,
  kQueueFull,
  kBreakerOpen,
  kChallenged,  // a round of an exchange, not the last
};
inline constexpr std::array<std::string_view, 9> kSourceResultNames = {
    "accepted", "rejected",   "unknown",      "wait",      "unavailable",
    "timeout",  "queue_full", "breaker_open", "challenged"};

// What a source's cache knew.
enum class CacheResult : std::uint8_t {
  kHit,          // this user with this password: let in
  kNegativeHit,  // this user with this password: refused
  kMiss,
};
inline constexpr std::array<std::string_view, 3> kCacheResultNames = {"hit", "negative_hit",
                                                                      "miss"};

// How the pool of a login was found where several may have the user's mailbox.
enum class PoolFound : std::uint8_t {
  kMemory,  // it let the user in of late, and was asked first
  kOrder,   // it is the first one
  kTrial,   // another one had refused the user
};
inline constexpr std::array<std::string_view, 3> kPoolFoundNames = {"memory", "order", "trial"};

// What became of connections to backends that were kept ready for a user.
enum class ReadyConnection : std::uint8_t {
  kUsed,
  kMissed,   // a login found none and connected itself
  kStale,    // a login found one that the backend had closed, and connected itself
  kExpired,  // no user came in time
  kClosed,   // the backend closed it before
  kFailed,   // it never became ready
};
inline constexpr std::array<std::string_view, 6> kReadyConnectionNames = {
    "used", "missed", "stale", "expired", "closed", "failed"};

// Which of the guards against guessing refused a login.
enum class GuessLimit : std::uint8_t { kAddress, kNetwork, kUser, kPair, kParallel };
inline constexpr std::array<std::string_view, 5> kGuessLimitNames = {"address", "network", "user",
                                                                     "pair", "parallel"};

// What decided a login besides the user's own password.
enum class Factor : std::uint8_t {
  kAppPassword,
  kTotp,          // a one-time code behind a password: right; the others: the password was right
  kTotpMissing,   // there was none
  kTotpWrong,     // it was not one of this time
  kTotpReplayed,  // it, or a later one, had been used before
  kTotpOverload,  // no room to note that it is used
  kCertificate,   // the certificate of the client, instead of any password
};
inline constexpr std::array<std::string_view, 7> kFactorNames = {
    "app_password",  "totp",          "totp_missing", "totp_wrong",
    "totp_replayed", "totp_overload", "certificate"};

// What a login waited for when its client went away.
enum class WaitedFor : std::uint8_t { kTurn, kMove };
inline constexpr std::array<std::string_view, 2> kWaitedForNames = {"turn", "move"};

// Whether the client of an established session was told by BYE that Headgate ends it.
enum class Farewell : std::uint8_t {
  kSaid,
  kUnsure,      // it may have been in the middle of a response
  kCompressed,  // COMPRESS: what the streams are is not known
  kStalled,     // the client had not taken what came before
};
inline constexpr std::array<std::string_view, 4> kFarewellNames = {"said", "unsure", "compressed",
                                                                   "stalled"};

// What clients show that are asked for a certificate, in handshakes that succeed.
enum class ClientCertificate : std::uint8_t { kVerified, kUnknownAuthority, kNone };
inline constexpr std::array<std::string_view, 3> kClientCertificateNames = {
    "verified", "unknown_authority", "none"};

// What became of a user source's wish not to verify a backend's certificate.
enum class AnyCertificate : std::uint8_t { kPermitted, kRefused };
inline constexpr std::array<std::string_view, 2> kAnyCertificateNames = {"permitted", "refused"};

template <typename Enum>
constexpr std::size_t index(Enum value) {
  return static_cast<std::size_t>(value);
}

constexpr std::string_view name(Phase phase) {
  return kPhaseNames[index(phase)];
}
constexpr std::string_view name(Farewell farewell) {
  return kFarewellNames[index(farewell)];
}
constexpr std::string_view name(GuessLimit limit) {
  return kGuessLimitNames[index(limit)];
}
constexpr std::string_view name(Stage stage) {
  return kStageNames[index(stage)];
}
constexpr std::string_view name(Side side) {
  return kSideNames[index(side)];
}
constexpr std::string_view name(Direction direction) {
  return kDirectionNames[index(direction)];
}
constexpr std::string_view name(AcceptError error) {
  return kAcceptErrorNames[index(error)];
}
constexpr std::string_view name(TlsVersion version) {
  return kTlsVersionNames[index(version)];
}

// From OpenSSL's name ("TLSv1.3"); anything else, the empty text too, is kUnknown.
constexpr TlsVersion tls_version_from(std::string_view text) {
  if (text == "TLSv1.3") {
    return TlsVersion::kTls13;
  }
  return text == "TLSv1.2" ? TlsVersion::kTls12 : TlsVersion::kUnknown;
}

}  // namespace headgate::metrics
