#pragma once

#include <cstdint>
#include <expected>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "dialogue/backend_dialogue.h"
#include "imap/capability_list.h"

namespace headgate::imap {

// Tags of the commands that Headgate sends to a backend.
inline constexpr std::string_view kStartTlsTag = "S";
inline constexpr std::string_view kCapabilityTag = "C";
inline constexpr std::string_view kIdTag = "I";
inline constexpr std::string_view kLoginTag = "L";

// What is sent to log a user in: one write where the backend's capabilities allow it, and one more
// for each continuation that has to be waited for.
struct LoginPlan {
  bool id = false;            // an ID command goes first
  bool authenticate = false;  // AUTHENTICATE; else LOGIN
  Secret first;
  std::vector<Secret> on_continuation;  // in this order
};

// Whether and how the backend that announced `capabilities` can be logged in to. The failure's
// detail names the reason.
std::expected<LoginPlan, dialogue::BackendFailed> plan_login(
    const dialogue::BackendLoginRequest& request, const CapabilityList& capabilities);

}  // namespace headgate::imap
