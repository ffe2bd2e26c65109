#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "config/config.h"
#include "dialogue/backend_check.h"
#include "dialogue/backend_dialogue.h"
#include "dialogue/client_dialogue.h"
#include "dialogue/close_reason.h"
#include "relay/relay.h"

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

  // The last eight bytes of a client's command behind which an established session may go on in
  // something else than this protocol (IMAP's COMPRESS).
  [[nodiscard]] virtual std::string_view switch_mark() const = 0;
  // Whether it is certain that the client takes what comes now for a response of its own; of a
  // session that is in this protocol still.
  [[nodiscard]] virtual bool between_responses(const relay::Tail& to_backend,
                                               const relay::Tail& to_client) const = 0;
  // Whether the backend has told the client that it ends, or was asked to: such an end is ordinary.
  [[nodiscard]] virtual bool end_announced(const relay::Tail& to_backend,
                                           const relay::Tail& to_client) const = 0;
  // What it is told then when the session ends for this reason; empty: nothing.
  [[nodiscard]] virtual std::string farewell(dialogue::CloseReason reason) const = 0;
};

// `listener` is one of the configuration's.
std::unique_ptr<Protocol> make_imap(const config::Listener& listener, const config::Config& config);

// What state_name() of its dialogues with clients may say.
std::span<const std::string_view> imap_states();

// A check of a backend's health.
std::unique_ptr<dialogue::BackendCheck> make_imap_check(dialogue::CheckLevel level, bool starttls);

}  // namespace headgate::server
