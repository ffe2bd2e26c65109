#pragma once

#include <string>
#include <string_view>

#include "dialogue/close_reason.h"

namespace headgate::imap {

// The end of what one side of an established session got.
struct StreamTail {
  std::string_view bytes;
  bool whole = false;  // nothing came before them
};

// Whether a line of our own may follow what the client got: what it got ends with a whole response,
// and no literal is open. Nobody has parsed the streams, so this goes by their tails alone and says
// no wherever these do not show it. Yes, when the client's stream ends in CRLF and
//
// - the client has sent nothing since the login, or
// - the last response is the tagged completion of the client's last command (RFC 9051 section
//   7.1), or
// - the client is in IDLE (RFC 2177), and all that its tail shows is what servers say then.
//
// A message in a literal would have to be cut behind a line that says just that, with the tag of
// the client's last command. Whoever writes such a message spoils nothing but what the client
// reads of this message, on a connection that ends.
//
// For streams that are IMAP: compressed ones (RFC 4978) are for the caller to know.
bool between_responses(const StreamTail& to_backend, const StreamTail& to_client);

// Whether the server has said that it ends, or was asked to: the tail of what the client got shows
// "* BYE", in whatever place, or the client's last command is LOGOUT.
bool end_announced(const StreamTail& to_backend, const StreamTail& to_client);

// Whether the line with these last bytes (its CRLF included) may put an end to plain IMAP: it is
// COMPRESS DEFLATE, behind which a client sends nothing until it is answered (RFC 4978 section 3).
inline constexpr std::string_view kEndOfCompress = "EFLATE\r\n";

// The BYE (RFC 9051 section 7.1.5) of an established session, CRLF included, with UNAVAILABLE (RFC
// 5530) but for an idle one; empty: a session that ends for this reason hears none.
std::string established_farewell(dialogue::CloseReason reason);

}  // namespace headgate::imap
