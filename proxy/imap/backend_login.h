#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "dialogue/backend_dialogue.h"

namespace headgate::imap {

struct BackendLoginOptions {
  bool starttls = false;  // the pool wants STARTTLS; false: plain, or TLS from the first byte
};

// The backend's side of IMAP up to the end of the login: greeting, STARTTLS, CAPABILITY where it
// was not told, then ID and LOGIN or AUTHENTICATE PLAIN in one write.
class BackendLogin final : public dialogue::BackendDialogue {
 public:
  explicit BackendLogin(BackendLoginOptions options);

  dialogue::BackendStep on_bytes(std::string_view in, Secret& out) override;
  dialogue::BackendStep on_tls_established(Secret& out) override;
  dialogue::BackendStep log_in(dialogue::BackendLoginRequest request, Secret& out) override;

  [[nodiscard]] dialogue::BackendFailed on_closed() const override;
  [[nodiscard]] std::string_view state_name() const override;
};

}  // namespace headgate::imap
