#include "migration/nginx_left_out.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace headgate::migration {
namespace {

// What becomes of directives that have no equivalent.
constexpr std::array<std::pair<std::string_view, std::string_view>, 26> kNginxLeftOut = {{
    {"error_log", "the log goes to standard error; see log.level and log.format"},
    {"google_perftools_profiles", "no equivalent"},
    {"imap_capabilities",
     "clients get Headgate's own list before login and the backend's after it; see "
     "login.capabilities"},
    {"include", "not followed: import the included file too"},
    {"pop3_auth", "Headgate speaks IMAP"},
    {"pop3_capabilities", "Headgate speaks IMAP"},
    {"proxy_pass_error_message", "the backend's words about a failed login never reach the client"},
    {"proxy_protocol",
     "backends learn the client's address by the ID command; see pools.main.forward_client"},
    {"proxy_smtp_auth", "Headgate speaks IMAP"},
    {"resolver", "names are resolved by the system"},
    {"resolver_timeout", "names are resolved by the system"},
    {"server_name", "the greeting names no host; see login.greeting"},
    {"smtp_auth", "Headgate speaks IMAP"},
    {"smtp_capabilities", "Headgate speaks IMAP"},
    {"smtp_client_buffer", "Headgate speaks IMAP"},
    {"smtp_greeting_delay", "Headgate speaks IMAP"},
    {"ssl_certificate_compression", "no equivalent"},
    {"ssl_dhparam", "no key exchange over finite fields is offered"},
    {"ssl_engine", "no equivalent"},
    {"ssl_password_file", "keys must not be encrypted"},
    {"ssl_prefer_server_ciphers", "no equivalent"},
    {"ssl_session_cache", "sessions are resumed by tickets, which all workers share"},
    {"ssl_session_ticket_key", "ticket keys are made at each start"},
    {"ssl_session_timeout", "no equivalent"},
    {"ssl_trusted_certificate",
     "left out: add its authorities to listeners[].client_certificates.ca"},
    {"xclient", "Headgate speaks IMAP"},
}};

// Those that nginx_import.cc reads.
const std::set<std::string_view> kNginxTranslated = {"auth_http",
                                                     "auth_http_header",
                                                     "auth_http_pass_client_cert",
                                                     "auth_http_timeout",
                                                     "imap_auth",
                                                     "imap_client_buffer",
                                                     "listen",
                                                     "max_errors",
                                                     "protocol",
                                                     "proxy_buffer",
                                                     "proxy_timeout",
                                                     "server",
                                                     "set_real_ip_from",
                                                     "ssl",
                                                     "ssl_certificate",
                                                     "ssl_certificate_key",
                                                     "ssl_ciphers",
                                                     "ssl_client_certificate",
                                                     "ssl_conf_command",
                                                     "ssl_crl",
                                                     "ssl_ecdh_curve",
                                                     "ssl_protocols",
                                                     "ssl_session_tickets",
                                                     "ssl_verify_client",
                                                     "ssl_verify_depth",
                                                     "starttls",
                                                     "timeout",
                                                     "proxy"};

}  // namespace

std::string_view why_nginx_left_out(std::string_view directive) {
  const auto* known = std::ranges::find(kNginxLeftOut, directive,
                                        &std::pair<std::string_view, std::string_view>::first);
  return known != kNginxLeftOut.end() ? known->second : std::string_view();
}

bool is_nginx_translated(std::string_view directive) {
  return kNginxTranslated.contains(directive);
}

}  // namespace headgate::migration
