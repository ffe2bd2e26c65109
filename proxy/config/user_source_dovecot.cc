#include <fmt/format.h>

#include <algorithm>

#include "config/scalars.h"
#include "config/user_sources.h"

namespace headgate::config {

using namespace std::chrono_literals;

namespace {

// By its master socket alone it judges nobody, so nothing that says how has a meaning.
void check_route_only(Reader& reader, const std::string& path, const DovecotAuth& dovecot) {
  if (!dovecot.route_only) {
    if (!reader.has(path + ".servers")) {
      reader.refuse(path + ".servers",
                    "a list of at least one server without route_only, found none");
    }
    return;
  }
  if (!dovecot.master) {
    reader.refuse(path + ".master", "a socket of type master with route_only, found none");
  }
  for (const auto& [key, set] :
       {std::pair("tokens", dovecot.tokens), std::pair("external", dovecot.external),
        std::pair("checks_passwords", dovecot.checks_passwords),
        std::pair("brings_passwords", dovecot.brings_passwords)}) {
    if (set) {
      reader.refuse(fmt::format("{}.{}", path, key),
                    "false with route_only, where the backends check passwords, found true");
    }
  }
}

void check_dovecot_auth(Reader& reader, const std::string& path, const DovecotAuth& dovecot) {
  check_route_only(reader, path, dovecot);
  for (std::size_t i = 0; i < dovecot.servers.size(); ++i) {
    const std::string key = fmt::format("{}.servers[{}]", path, i);
    const auto end = dovecot.servers.begin() + static_cast<std::ptrdiff_t>(i);
    if (reader.good(key) && std::find(dovecot.servers.begin(), end, dovecot.servers[i]) != end) {
      reader.refuse(
          key, fmt::format("another server, found '{}' again", dovecot.servers[i].to_string()));
    }
  }
}

}  // namespace

Type<DovecotAuth> dovecot_auth_type() {
  return section<DovecotAuth>(
      {
          key("servers", &DovecotAuth::servers,
              list_of(socket_address(), "a list of at least one server", 1),
              "Sockets of Dovecot's auth service: unix_listener by their absolute path, "
              "inet_listener as HOST:PORT. Asked in this order when those before do not answer.",
              {.example = R"(["/run/dovecot/auth-headgate"])"}),
          key("connections", &DovecotAuth::connections, number(1U, 64U),
              "Connections of each worker to each server at most; each carries many logins at a "
              "time."),
          key("timeout", &DovecotAuth::timeout, duration(50ms, 5min),
              "Time for the answer to one login, or one round of it, whichever servers are asked. "
              "Longer than Dovecot's auth_failure_delay, and with several servers that many times "
              "as long."),
          key("hedge_after", &DovecotAuth::hedge_after, duration(0ms, 1min),
              "How long a server may be silent about a password, token or certificate until the "
              "next "
              "one is asked as well. Longer than Dovecot's auth_failure_delay, or each wrong "
              "password "
              "is asked about twice. 0: the next one is asked when the first has had its share of "
              "timeout."),
          key("service", &DovecotAuth::service, name_text(),
              "The protocol that Dovecot takes the login for."),
          key("master", &DovecotAuth::master, socket_address(),
              "A socket of Dovecot's auth service of type master, which answers without a "
              "password: "
              "for headgate explain and route_only. Not set: explain cannot ask.",
              {.example = "/run/dovecot/auth-master"}),
          key("route_only", &DovecotAuth::route_only, boolean(),
              "Whether Dovecot is asked by master where users live, and nothing else: the backends "
              "check passwords. Whom it does not know the next source is asked for."),
          key("tokens", &DovecotAuth::tokens, boolean(),
              "Whether it checks tokens as well, so that clients are offered XOAUTH2 and "
              "OAUTHBEARER."),
          key("external", &DovecotAuth::external, boolean(),
              "Whether it judges certificates of clients as well, by EXTERNAL: it is told the "
              "common "
              "name of a verified one (auth_ssl_username_from_cert). Needs a listener with "
              "client_certificates."),
          key("checks_passwords", &DovecotAuth::checks_passwords, boolean(),
              "Whether Dovecot checks each password: that no passdb has the field nopassword, "
              "which "
              "its answer does not show. false: only pools whose backends check the user's "
              "password."),
          key("brings_passwords", &DovecotAuth::brings_passwords, boolean(),
              "Whether each of its answers has the field pass, a password for the backend. Then "
              "mechanisms that tell no password can be offered before any pool."),
      },
      check_dovecot_auth);
}

}  // namespace headgate::config
