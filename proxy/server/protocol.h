#pragma once

#include <memory>
#include <string_view>

#include "config/config.h"
#include "dialogue/backend_check.h"
#include "dialogue/backend_dialogue.h"
#include "dialogue/client_dialogue.h"

namespace headgate::server {

// What a session needs of the protocol it carries. The server knows protocols by this alone; each
// has one implementation file, as imap_protocol.cc.
class Protocol {
 public:
  virtual ~Protocol() = default;

  // A dialogue for a client of the listener this object was made for; must not outlive it.
  [[nodiscard]] virtual std::unique_ptr<dialogue::ClientDialogue> client() const = 0;
  [[nodiscard]] virtual std::unique_ptr<dialogue::BackendDialogue> backend(bool starttls) const = 0;

  // Whether a client whose last bytes were `tail` now waits for news for as long as it likes
  // (IMAP's IDLE); such a session has a longer idle limit.
  [[nodiscard]] virtual bool waits_for_news(std::string_view tail) const = 0;
};

// `listener` is one of the configuration's.
std::unique_ptr<Protocol> make_imap(const config::Listener& listener, const config::Config& config);

// A check of a backend's health.
std::unique_ptr<dialogue::BackendCheck> make_imap_check(dialogue::CheckLevel level, bool starttls);

}  // namespace headgate::server
