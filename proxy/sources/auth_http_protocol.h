#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/user_source.h"
#include "base/address.h"
#include "base/secret.h"

// The protocol between nginx's mail proxy and its auth server, as pure functions
// (ngx_mail_auth_http_module). A question is the header of a GET, an answer that of a reply,
// whatever its HTTP status.
namespace headgate::sources {

// What a client has answered to a challenge of CRAM-MD5 (RFC 2195).
struct CramProof {
  std::string salt;  // the challenge
  Secret digest;     // 32 hexadecimal digits
};

// The header lines of a question in nginx's order, without line ends and without Host. Names,
// passwords and certificates are escaped as nginx does it: a byte up to 0x20 and '%' become %XX.
// `proof`: null but for CRAM-MD5. `whole_certificate`: not only what stands in it is told.
std::vector<Secret> auth_http_headers(const auth::LoginRequest& request,
                                      const CramProof* proof = nullptr,
                                      bool whole_certificate = false);

struct AuthHttpReply {
  enum class Status : std::uint8_t { kOk, kWait, kRefused };
  static constexpr std::chrono::seconds kLongestWait{86400};
  static constexpr std::size_t kLongestChallenge = 4096;  // as it comes, in base64

  Status status = Status::kOk;
  std::string text;                 // kRefused: Auth-Status, for the client; printable, one line
  std::string challenge;            // kRefused: Auth-Error-SASL, without its base64; may be empty
  std::string fault;                // kRefused: what is wrong with the latter, for the log
  std::optional<HostPort> backend;  // kOk: always there
  std::optional<std::string> user;
  std::shared_ptr<const Secret> password;
  std::chrono::seconds wait{0};
  // Headers of Headgate's own, not yet looked at: one user's say nothing about the server.
  std::string max_sessions;                                  // empty: none
  std::vector<std::pair<std::string, std::string>> forward;  // "forward_KEY" and value
};

// Takes the header lines of a reply. As with nginx, an answer with a backend and without
// Auth-Status is OK, and of a header that stands there twice the last one counts. Unlike nginx, the
// backend may be a host name. The error says what is missing or wrong; it never holds a password.
std::expected<AuthHttpReply, std::string> parse_auth_http_reply(std::string_view head);

// What the answer means for the user of this name, which is empty where the client gave none: then
// the answer has to.
auth::LookupResult auth_http_result(AuthHttpReply reply, std::string_view user);

}  // namespace headgate::sources
