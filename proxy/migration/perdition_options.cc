#include "migration/perdition_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ranges>
#include <utility>

namespace headgate::migration {
namespace {

constexpr std::string_view kLog = "the log goes to standard error; see log.level and log.format";
constexpr std::string_view kProcess =
    "Headgate stays in the foreground; conf/headgate.service is a unit for systemd";
constexpr std::string_view kOtherProtocol = "Headgate speaks IMAP";

constexpr std::array<std::pair<std::string_view, std::string_view>, 42> kPerditionReasons = {{
    {"add_domain", "names go on as clients give them; a map rule with rewrite adds a domain"},
    {"authenticate_in",
     "the backend checks passwords; a source pam for the same service checks them here, "
     "docs/users/pam.md"},
    {"capability", "see login.capabilities"},
    {"chroot", kProcess},
    {"client_server_specification",
     "clients do not choose servers; write a map rule for each server that they may choose"},
    {"connect_relog", "headgate sessions lists who is there"},
    {"connection_logging", kLog},
    {"debug", kLog},
    {"explicit_domain", "a map rule with rewrite adds a domain"},
    {"group", kProcess},
    {"imap_capability",
     "clients get Headgate's own list before login and the backend's after it; see "
     "login.capabilities"},
    {"inetd_mode", kProcess},
    {"log_facility", kLog},
    {"log_passwd", "passwords are never logged"},
    {"login_disabled", "nobody could log in; start Headgate when users may"},
    {"lower_case", "rules match names in any case; the backend gets them as they were typed"},
    {"managesieve_capability", kOtherProtocol},
    {"no_bind_banner", "the greeting names no host; see login.greeting"},
    {"no_daemon", "always so"},
    {"no_lookup", "names are resolved by the system every 30 seconds"},
    {"ok_line", "clients get the backend's own words after login"},
    {"pid_file", kProcess},
    {"pop_capability", kOtherProtocol},
    {"query_key",
     "users are looked up by their whole name; a map rule with pattern or domain "
     "looks at parts of it"},
    {"quiet", kLog},
    {"server_resp_line", "always so"},
    {"ssl_ca_chain_file", "put the chain behind the certificate, in the file of ssl_cert_file"},
    {"ssl_ca_path", "the system's authorities are trusted; see pools.main.ca"},
    {"ssl_cert_verify_depth", "no equivalent"},
    {"ssl_dh_params_file", "no key exchange over finite fields is offered"},
    {"ssl_listen_compression", "TLS compression is not offered"},
    {"ssl_listen_max_proto_version", "TLS 1.2 and 1.3 are offered"},
    {"ssl_no_cipher_server_preference", "no equivalent"},
    {"ssl_no_client_cert_verify", "client certificates are not asked for"},
    {"ssl_outgoing_ciphers", "OpenSSL's own list is used"},
    {"ssl_outgoing_compression", "TLS compression is not offered"},
    {"ssl_outgoing_max_proto_version", "TLS 1.2 and 1.3 are used"},
    {"ssl_outgoing_min_proto_version", "TLS 1.2 and 1.3 are used"},
    {"ssl_passphrase_fd", "keys must not be encrypted"},
    {"ssl_passphrase_file", "keys must not be encrypted"},
    {"tcp_keepalive", "always so; see relay.keepalive"},
    {"username", kProcess},
}};

}  // namespace

const PerditionLine* PerditionOptions::last(std::string_view key) {
  asked_.emplace(key);
  for (const PerditionLine& line : lines_ | std::views::reverse) {
    if (line.key == key) {
      return &line;
    }
  }
  return nullptr;
}

std::string PerditionOptions::value(std::string_view key) {
  const PerditionLine* line = last(key);
  return line != nullptr ? line->value : "";
}

std::vector<std::string> PerditionOptions::words(std::string_view key) {
  const std::string text = value(key);
  std::vector<std::string> words;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find_first_of(", \t", at), text.size());
    if (end > at) {
      words.push_back(text.substr(at, end - at));
    }
    at = end + 1;
  }
  return words;
}

void PerditionOptions::note_the_rest(ImportNotes& notes) const {
  for (const PerditionLine& line : lines_) {
    if (asked_.contains(line.key)) {
      continue;
    }
    const auto* known = std::ranges::find(kPerditionReasons, line.key,
                                          &std::pair<std::string_view, std::string_view>::first);
    notes.add(line.line,
              fmt::format("{}: {}", line.key,
                          known != kPerditionReasons.end() ? known->second : "unknown, left out"));
  }
}

}  // namespace headgate::migration
