#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "auth/user_source.h"
#include "base/secret.h"
#include "dialogue/credentials.h"

// The client's side of the protocol of Dovecot's auth service (its socket of type "auth"), as pure
// functions: lines that end in LF, fields between tabs. Version 1.x: servers of 2.3 and 2.4.
namespace headgate::sources {

// Bytes of a line without its end, either way; Dovecot closes the connection on a longer one.
inline constexpr std::size_t kLongestDovecotAuthLine = 16383;

// A line of the server. Refers to the text that it was read from.
struct DovecotAuthLine {
  enum class Kind : std::uint8_t {
    kVersion,    // the major number is 1
    kMechanism,  // the first of the fields is its name, the others are flags
    kDone,       // of the handshake
    kContinue,
    kOk,
    kFail,
    kOther,  // of no concern
  };
  Kind kind = Kind::kOther;
  std::uint32_t id = 0;     // kContinue, kOk, kFail: of the request, never 0
  std::string_view fields;  // what follows; escaped, between tabs
  Secret message;           // kContinue: what the client is told
};

// `line` without its end. The error says what was expected; it holds nothing of the line.
std::expected<DovecotAuthLine, std::string> parse_dovecot_auth_line(std::string_view line);

// The client's side of the handshake: it may be sent before the server has said a word. `client_id`
// is not 0, and for some sockets no other connection may have the same.
std::string dovecot_auth_hello(std::uint32_t client_id);

// The mechanism that such credentials are sent by: what is at hand goes in one message.
std::string_view dovecot_auth_mechanism(const dialogue::Credentials& credentials);
// That message (RFC 4616, RFC 7628, XOAUTH2, RFC 4422 appendix A).
Secret dovecot_auth_message(const dialogue::Credentials& credentials);

// The line that begins a request, with its end. `message` is the client's first one; null: none.
// Empty: it would be longer than Dovecot takes.
Secret dovecot_auth_request(std::uint32_t id, std::string_view mechanism, std::string_view service,
                            const auth::LoginRequest& request, const Secret* message);
// That of another message, under the same condition, and that which gives the request up.
Secret dovecot_auth_continue(std::uint32_t id, const Secret& message);
std::string dovecot_auth_cancel(std::uint32_t id);

// What OK says about a password: a passdb with nopassword lets in whoever gives any, and 2.3 does
// not tell. Tokens and exchanges are always checked.
enum class DovecotAuthTrust : std::uint8_t { kChecked, kPerhapsOpen };

// What OK and FAIL with these fields mean for these credentials. A refusal's text is printable and
// bounded. Accepted, or Rejected: for the user who may not log in (nologin), or since a field makes
// no sense, which is kLookupUnavailable.
auth::LookupResult dovecot_auth_accepted(std::string_view fields,
                                         const dialogue::Credentials& credentials,
                                         DovecotAuthTrust trust);
auth::Rejected dovecot_auth_rejected(std::string_view fields);

// The protocol of its sockets of type "master": handshake and question for what the passdbs say of
// a user, in one.
std::string dovecot_master_request(std::string_view service, std::string_view user);
// What a line of the server answers to that; nullopt: it is another line. Accepted, Rejected where
// there is no such user or a field makes no sense, else Unavailable.
std::optional<auth::LookupResult> dovecot_master_answer(std::string_view line,
                                                        std::string_view user);

}  // namespace headgate::sources
