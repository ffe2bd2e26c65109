#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/secret.h"

namespace headgate::sources {

// PAM modules are anybody's code: they may hang, leak, change the process or rely on being alone in
// it. So they run in processes of their own, `headgate pam-helper`, one login at a time each, and
// PamDirectory kills one that takes too long. The two speak by messages over a SOCK_SEQPACKET
// socket: a question and its answer, one after the other.

struct PamQuestion {
  std::string_view user;
  std::string_view client;  // its IP address, for modules (PAM_RHOST)
  std::string_view password;
};

enum class PamVerdict : std::uint8_t {
  kAccepted,
  kWrong,     // the password, or a user who is not told from one
  kUnknown,   // the modules say that there is no such user
  kExpired,   // the password has to be changed first
  kDisabled,  // the account is locked, expired, or may not be used now
  kFailed,    // nobody was judged
};
struct PamAnswer {
  PamVerdict verdict = PamVerdict::kFailed;
  std::string text;  // kAccepted: the user's name, which modules may change; else PAM's error
};

inline constexpr std::size_t kLargestPamMessage = 65536;

// A name or a password that holds a NUL, which none that a dialogue let through does, fits nothing.
Secret encode(const PamQuestion& question);
Secret encode(const PamAnswer& answer);
// False: not such a message. A question's parts point into the message.
bool decode(std::string_view message, PamQuestion& question);
bool decode(std::string_view message, PamAnswer& answer);

// Asks PAM's service for each question that arrives, until the other end of the socket is closed or
// a thousand have been asked.
// `directory` has the service's file; empty: the system's. Returns the exit code of the process.
int run_pam_helper(int socket, const std::string& service, const std::string& directory);

}  // namespace headgate::sources
