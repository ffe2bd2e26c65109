#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "dialogue/backend_dialogue.h"

namespace headgate::dialogue {

// How far a check of a backend's health goes.
enum class CheckLevel : std::uint8_t {
  kConnect,   // TCP, and TLS where it comes first
  kGreeting,  // and the greeting, and TLS where it is asked for
  kLogin,     // and a login with a test account
  kMailbox,   // and the account's mailbox: opened, and something read from the store
};

// What a check is at.
enum class CheckStage : std::uint8_t { kConnect, kTls, kGreeting, kLogin, kMailbox };
inline constexpr std::array<std::string_view, 5> kCheckStageNames = {"connect", "tls", "greeting",
                                                                     "login", "mailbox"};

// A backend's dialogue that is a check and nothing else: BackendLoggedIn means that the backend
// has passed, and that it was told goodbye where that is due.
class BackendCheck : public BackendDialogue {
 public:
  // kGreeting, kLogin or kMailbox; the time before is the driver's.
  [[nodiscard]] virtual CheckStage stage() const = 0;
};

}  // namespace headgate::dialogue
