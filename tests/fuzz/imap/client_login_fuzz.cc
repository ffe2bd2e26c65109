// The whole dialogue with a client: the same must happen whatever way the bytes are cut, every
// reply is one of our own lines behind a tag, and no more is said than was asked.
//
// Byte 0 chooses the listener and the answers, byte 1 the cuts, the rest is what the client sends.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>
#include <variant>

#include "base/utf8.h"
#include "imap/client_login.h"
#include "imap/syntax.h"

namespace {

using namespace headgate;
using imap::ClientLogin;
using imap::ClientLoginProfile;

imap::ClientLoginOptions make_options(bool secure, bool small) {
  imap::ClientLoginOptions options;
  options.secure = secure;
  options.tls_available = true;
  if (small) {
    options.max_line = 150;
    options.max_literal = 12;
    options.max_total = 600;
  }
  options.max_bad_commands = small ? 3 : 0;
  options.max_failures = small ? 3 : 0;
  options.mechanisms.push_back({"X-SOURCE", nullptr});
  options.mechanisms.push_back(imap::sasl_xoauth2());
  options.mechanisms.push_back(imap::sasl_oauthbearer());
  options.max_sasl = small ? 300 : 9000;
  return options;
}

const ClientLoginProfile& profile(unsigned choice) {
  static const ClientLoginProfile kProfiles[] = {
      ClientLoginProfile(make_options(false, false)), ClientLoginProfile(make_options(true, false)),
      ClientLoginProfile(make_options(false, true)), ClientLoginProfile(make_options(true, true))};
  return kProfiles[choice % 4];
}

// Everything that may stand behind a tag.
bool is_our_text(std::string_view text) {
  static const std::set<std::string_view> kTexts = {
      "OK Capability completed.",
      "OK NOOP completed.",
      "OK Logout completed.",
      "OK ID completed.",
      "OK Nothing enabled before login.",
      "OK Begin TLS negotiation now.",
      "OK Welcome",
      "NO [CANNOT] Unsupported authentication mechanism.",
      "NO [PRIVACYREQUIRED] Logins are only accepted over TLS.",
      "NO [AUTHENTICATIONFAILED] Authentication failed.",
      "NO [AUTHORIZATIONFAILED] Authorization failed.",
      "BAD Syntax error.",
      "BAD Lines must end in CRLF.",
      "BAD Line is too long.",
      "BAD [TOOBIG] Literal is too large.",
      "BAD No literal is allowed here.",
      "BAD Unknown command, or not allowed before login.",
      "BAD Command takes no arguments.",
      "BAD STARTTLS is not available.",
      "BAD Invalid ID parameters.",
      "BAD ENABLE takes a list of capabilities.",
      "BAD LOGIN takes a user name and a password.",
      "BAD AUTHENTICATE takes a mechanism.",
      "BAD Invalid base64 in the initial response.",
      "BAD Invalid base64.",
      "BAD Authentication cancelled.",
  };
  return kTexts.contains(text);
}

bool is_our_line(std::string_view line) {
  static const std::set<std::string_view> kLines = {
      "+ OK",
      "+ ",
      "+ VXNlcm5hbWU6",
      "+ UGFzc3dvcmQ6",
      "+ eA==",
      "+ eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIiwic2NvcGUiOiIifQ==",
      "+ eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=",
      "+ eyJzdGF0dXMiOiJpbnZhbGlkX3JlcXVlc3QifQ==",
      "* ENABLED",
      "* ID (\"name\" \"Headgate\")",
      "* BYE Logging out.",
      "* BYE Too much data before login.",
      "* BYE Too many invalid commands.",
      "* BYE Too many failed logins.",
  };
  if (kLines.contains(line) || line.starts_with("* CAPABILITY IMAP4rev1 ") ||
      line.starts_with("* OK [CAPABILITY IMAP4rev1 ")) {
    return true;
  }
  const std::size_t space = line.find(' ');
  return space != line.npos &&
         (line.substr(0, space) == "*" || imap::is_tag(line.substr(0, space))) &&
         is_our_text(line.substr(space + 1));
}

void check_replies(std::string_view out) {
  while (!out.empty()) {
    const std::size_t end = out.find("\r\n");
    if (end == out.npos || !is_our_line(out.substr(0, end))) {
      std::abort();
    }
    out.remove_prefix(end + 2);
  }
}

void check_credentials(const dialogue::Credentials& credentials) {
  constexpr std::string_view kForbidden("\r\n\0", 3);
  if ((credentials.user.empty() && !credentials.by_token()) || !is_utf8(credentials.user) ||
      credentials.user.find_first_of(kForbidden) != std::string::npos ||
      credentials.secret.view().find_first_of(kForbidden) != std::string_view::npos) {
    std::abort();
  }
}

// The client, the driver and what both see.
struct Play {
  ClientLogin login;
  bool accept;      // the third login succeeds
  std::string out;  // to the client
  std::string log;  // actions
  int answers = 0;
  bool over = false;
  bool in_clear = false;  // StartTls came: what is left of the first half is void

  Play(const ClientLoginProfile& listener, bool accepting) : login(listener), accept(accepting) {
    login.greet(out);
  }

  void act(const dialogue::Action& action) {
    if (std::holds_alternative<dialogue::NoAction>(action)) {
      return;
    }
    log += std::to_string(action.index()) + '@' + std::to_string(out.size()) + ' ';
    if (const auto* wanted = std::get_if<dialogue::Authenticate>(&action)) {
      check_credentials(wanted->credentials);
      log += wanted->credentials.user + ':';
      log += wanted->credentials.secret.view();
      answer();
    } else if (const auto* sasl = std::get_if<dialogue::SaslResponse>(&action)) {
      log += sasl->response.view();
      if (++answers % 3 == 0) {
        answer();
      } else {
        login.on_challenge("x", out);
      }
    } else if (std::holds_alternative<dialogue::StartTls>(action)) {
      in_clear = true;
    } else if (std::holds_alternative<dialogue::Close>(action)) {
      over = true;
    }
  }

  void answer() {
    if (accept && ++answers >= 3) {
      login.on_login_succeeded({"", "", "Welcome", ""}, out);
      over = true;
      return;
    }
    const auto next = login.on_login_failed(dialogue::LoginFailure::kWrongCredentials, out);
    over = over || std::holds_alternative<dialogue::Close>(next);
  }

  void feed(std::string_view part, std::size_t chunk) {
    while (!part.empty() && !over && !in_clear) {
      std::string_view piece = part.substr(0, chunk);
      part.remove_prefix(piece.size());
      do {
        const auto step = login.on_bytes(piece, out);
        piece.remove_prefix(step.consumed);
        act(step.action);
        if (std::holds_alternative<dialogue::NoAction>(step.action) && !piece.empty()) {
          std::abort();
        }
      } while (!piece.empty() && !over && !in_clear);
    }
    if (in_clear) {
      in_clear = false;
      login.on_tls_established();
    }
  }
};

std::string play(unsigned choice, std::string_view in, std::size_t chunk) {
  Play play(profile(choice), (choice & 4) != 0);
  play.feed(in.substr(0, in.size() / 2), chunk);
  play.feed(in.substr(in.size() / 2), chunk);
  check_replies(play.out);
  if (play.out.size() > 200 + 60 * in.size()) {
    std::abort();
  }
  return play.out + play.log;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  const std::string_view in(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::string whole = play(data[0], in, in.npos);
  if (play(data[0], in, 1) != whole || play(data[0], in, 2 + data[1] % 64) != whole) {
    std::abort();
  }
  return 0;
}
