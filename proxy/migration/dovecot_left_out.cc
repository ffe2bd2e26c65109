#include "migration/dovecot_left_out.h"

#include <algorithm>
#include <array>
#include <utility>

namespace headgate::migration {
namespace {

using Reason = std::pair<std::string_view, std::string_view>;

constexpr std::string_view kMailStore = "for the mail store: it stays with the backends";
constexpr std::string_view kLogs = "the log goes to standard error; see log.level and log.format";
constexpr std::string_view kProcesses = "Headgate is one process with threads; see workers";
constexpr std::string_view kDirectorsOwn =
    "directors talk to each other, Headgates need not: all with one configuration choose alike";
constexpr std::string_view kClientCertificates = "client certificates are not asked for";
constexpr std::string_view kSeeGuessing = "see guessing, which slows and refuses those who guess";

constexpr std::array<Reason, 56> kReasons = {{
    {"auth_cache_negative_ttl", "see users[].cache, which is off unless asked for"},
    {"auth_cache_size", "see users[].cache, which is off unless asked for"},
    {"auth_cache_ttl", "see users[].cache, which is off unless asked for"},
    {"auth_default_realm",
     "names go on as clients give them; a map rule with rewrite adds a domain"},
    {"auth_master_user_separator", "master users do not log in through Headgate"},
    {"auth_policy_server_url", kSeeGuessing},
    {"auth_proxy_self", "Headgate holds no mailboxes: nobody is at home here"},
    {"auth_realms", "names go on as clients give them"},
    {"auth_ssl_require_client_cert", kClientCertificates},
    {"auth_ssl_username_from_cert", kClientCertificates},
    {"auth_stats", "see docs/metrics.md"},
    {"auth_username_chars", "names are passed on as they are, quoted; the backend judges them"},
    {"auth_username_format",
     "names go on as clients give them; a map rule with rewrite changes them"},
    {"auth_worker_max_count", "see users[].sql.connections and users[].ldap.connections"},
    {"director_consistent_hashing", "the hash always moves as few users as can be"},
    {"director_doveadm_port", "headgate status, drain, move and pin do this"},
    {"director_flush_socket",
     "a program or a URL is called for each user who is moved: admin.moves.hook"},
    {"director_max_parallel_kicks", "see admin.move_rate"},
    {"director_max_parallel_moves", "see admin.moves.parallel"},
    {"director_user_kick_delay", "see admin.moves.settle"},
    {"haproxy_trusted_networks", "no listener says haproxy = yes"},
    {"haproxy_timeout", "no listener says haproxy = yes"},
    {"imap_capability",
     "clients get Headgate's own list before login and the backend's after it; see "
     "login.capabilities"},
    {"imap_id_log", "no equivalent"},
    {"imap_id_retain", "the client's own ID is not passed on before login"},
    {"imap_id_send", "no equivalent"},
    {"imap_login_literal_minus", "LITERAL+ is offered before login"},
    {"imap_proxy_forward_fields", "no equivalent"},
    {"info_log_path", kLogs},
    {"login_access_sockets", "no equivalent; see the system's packet filter"},
    {"login_greeting_capability", "the greeting always has the capabilities"},
    {"login_plugins", "no equivalent"},
    {"login_plugin_dir", "no equivalent"},
    {"login_proxy_max_disconnect_delay", "see pools.main.health.end_sessions_over"},
    {"login_proxy_max_reconnects",
     "other backends, and the same one again, are tried within login_timeout"},
    {"login_proxy_notify_path", "no equivalent"},
    {"login_proxy_rawlog_dir", "no equivalent; the log has the state of both dialogues"},
    {"login_source_ips", "connections to backends leave from the system's address"},
    {"ssl_alt_key", "has no ssl_alt_cert with it"},
    {"ssl_ca", kClientCertificates},
    {"ssl_client_ca_dir", "the system's authorities are trusted; see pools.main.ca"},
    {"ssl_crypto_device", "no equivalent"},
    {"ssl_dh", "no key exchange over finite fields is offered"},
    {"ssl_dh_parameters_length", "no key exchange over finite fields is offered"},
    {"ssl_key_password", "keys must not be encrypted"},
    {"ssl_parameters_regenerate", "no key exchange over finite fields is offered"},
    {"ssl_prefer_server_ciphers", "no equivalent"},
    {"ssl_require_crl", kClientCertificates},
    {"ssl_verify_client_cert", kClientCertificates},
    {"ssl_cert_username_field", kClientCertificates},
    {"userdb", kMailStore},
    {"namespace", kMailStore},
    {"plugin", kMailStore},
    {"dict", kMailStore},
    {"metric", "see docs/metrics.md"},
    {"verbose_proctitle", "headgate status shows the sessions"},
}};

// For whole families of settings; the first that fits counts.
constexpr std::array<Reason, 47> kFamilies = {{
    {"director_", kDirectorsOwn},
    {"doveadm_", "headgate status, sessions, who, kick, drain and move; see docs/operating.md"},
    {"auth_policy_", kSeeGuessing},
    {"auth_debug", kLogs},
    {"auth_verbose", kLogs},
    {"auth_", "no equivalent"},
    {"log_", kLogs},
    {"debug_log", kLogs},
    {"syslog_", kLogs},
    {"verbose_", kLogs},
    {"mail_debug", kLogs},
    {"login_log", kLogs},
    {"deliver_", kMailStore},
    {"mail", kMailStore},
    {"mbox_", kMailStore},
    {"mdbox_", kMailStore},
    {"maildir_", kMailStore},
    {"mmap_", kMailStore},
    {"dotlock_", kMailStore},
    {"lock_", kMailStore},
    {"fsync", kMailStore},
    {"dict_", kMailStore},
    {"dsync_", kMailStore},
    {"imap_", kMailStore},
    {"imapc_", kMailStore},
    {"lda_", kMailStore},
    {"quota", kMailStore},
    {"sieve", kMailStore},
    {"first_valid_", kMailStore},
    {"last_valid_", kMailStore},
    {"valid_chroot_dirs", kMailStore},
    {"hostname", kMailStore},
    {"postmaster_", kMailStore},
    {"recipient_", kMailStore},
    {"lmtp_", "Headgate speaks IMAP; LMTP stays with Dovecot or the MTA"},
    {"pop3", "Headgate speaks IMAP"},
    {"managesieve", "Headgate speaks IMAP"},
    {"submission", "Headgate speaks IMAP"},
    {"default_", kProcesses},
    {"service_", kProcesses},
    {"instance_", kProcesses},
    {"base_dir", kProcesses},
    {"state_dir", kProcesses},
    {"libexec_dir", kProcesses},
    {"import_environment", kProcesses},
    {"shutdown_clients", "sessions end when the process does"},
    {"stats_", "see docs/metrics.md"},
}};

}  // namespace

std::string_view why_dovecot_left_out(std::string_view key) {
  const auto* reason = std::ranges::find(kReasons, key, &Reason::first);
  if (reason != kReasons.end()) {
    return reason->second;
  }
  const auto* family = std::ranges::find_if(
      kFamilies, [key](const Reason& each) { return key.starts_with(each.first); });
  return family != kFamilies.end() ? family->second : "unknown, left out";
}

}  // namespace headgate::migration
