#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "auth/passed_rounds.h"
#include "sources/dovecot_auth_protocol.h"

// Any line is understood or an error. One who is let in has names of one line, and a backend, where
// there is one, has a port; what reaches a client is one line of bounded length.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace auth = headgate::auth;
  using namespace headgate::sources;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto require = [](bool held) {
    if (!held) {
      std::abort();
    }
  };
  const auto shown = [&](std::string_view words) {
    require(words.size() <= 512);
    for (const char c : words) {
      require(static_cast<unsigned char>(c) >= 0x20 && c != '\x7f');
    }
  };
  const std::string user = auth::user_in_message("DIGEST-MD5", text);
  require(user.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
  const auto line = parse_dovecot_auth_line(text.substr(0, text.find('\n')));
  if (!line) {
    require(!line.error().empty());
    return 0;
  }
  using Kind = DovecotAuthLine::Kind;
  const bool answer =
      line->kind == Kind::kOk || line->kind == Kind::kFail || line->kind == Kind::kContinue;
  require(answer == (line->id != 0));
  if (line->kind == Kind::kOk) {
    const auth::LookupResult result =
        dovecot_auth_accepted(line->fields, {"PLAIN", "alice", {}}, DovecotAuthTrust::kChecked);
    if (const auto* accepted = std::get_if<auth::Accepted>(&result)) {
      const auth::Route& route = accepted->route;
      require(!route.user.empty() &&
              route.user.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
      require(!route.backend || route.backend->port != 0);
      require(!route.master || route.password != nullptr);
    } else {
      shown(std::get<auth::Rejected>(result).text);
    }
  } else if (line->kind == Kind::kFail) {
    shown(dovecot_auth_rejected(line->fields).text);
  }
  return 0;
}
