#include "config/mechanisms.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "config/reader.h"

namespace headgate::config {
namespace {

constexpr Mechanism::Kind kAll[] = {
    Mechanism::kPlain,       Mechanism::kLogin,           Mechanism::kXoauth2,
    Mechanism::kOauthbearer, Mechanism::kScramSha256Plus, Mechanism::kScramSha1Plus,
    Mechanism::kScramSha256, Mechanism::kScramSha1,       Mechanism::kCramMd5,
    Mechanism::kDigestMd5,   Mechanism::kGssapi,          Mechanism::kGssSpnego,
    Mechanism::kExternal};

bool judges_exchange(const Proofs& proofs, const Mechanism& mechanism) {
  return proofs.rounds || (proofs.stored && !is_passed(mechanism)) ||
         (proofs.cram_md5 && mechanism == Mechanism::kCramMd5);
}

// What some source can judge by.
Proofs all_proofs(const Config& config) {
  Proofs all;
  for (const UserSource& source : config.users) {
    const Proofs some = proofs(config, source);
    all = {.password = all.password || some.password,
           .token = all.token || some.token,
           .stored = all.stored || some.stored,
           .rounds = all.rounds || some.rounds,
           .cram_md5 = all.cram_md5 || some.cram_md5,
           .certificate = all.certificate || some.certificate};
  }
  return all;
}

bool judges(const Proofs& proofs, const Mechanism& mechanism) {
  return mechanism == Mechanism::kExternal ? proofs.certificate
         : by_token(mechanism)             ? proofs.token
         : ties_to_tls(mechanism)          ? proofs.stored
         : by_exchange(mechanism)          ? judges_exchange(proofs, mechanism)
                                           : proofs.password;
}

// Those with a meaning of their own that some source can judge.
std::vector<Mechanism> served(const Config& config) {
  const Proofs all = all_proofs(config);
  std::vector<Mechanism> mechanisms;
  std::ranges::copy_if(kAll, std::back_inserter(mechanisms),
                       [&](Mechanism::Kind each) { return judges(all, each); });
  return mechanisms;
}

// Why one that is known by its name alone is never passed on; empty: it is.
std::string_view never_passed(const Mechanism& mechanism) {
  if (mechanism.other == "ANONYMOUS") {
    return "a mechanism that tells who the client is";
  }
  // The auth service would have to be told of the TLS connection.
  return mechanism.other.ends_with("-PLUS")
             ? "SCRAM-SHA-256-PLUS or SCRAM-SHA-1-PLUS of those that "
               "are tied to the TLS connection"
             : "";
}

std::string_view what_it_takes(const Mechanism& mechanism) {
  if (by_token(mechanism)) {
    return ", which takes a source that checks tokens or a pool with login token";
  }
  if (mechanism == Mechanism::kExternal) {
    return ", which takes source certificate, auth_http with http.methods external, or "
           "dovecot_auth with external";
  }
  if (is_passed(mechanism)) {
    return ", which takes source dovecot_auth";
  }
  return by_exchange(mechanism) ? ", which takes a source that knows what is stored of passwords: "
                                  "passwd_file, sql, or ldap with passwords fetch; but for -PLUS "
                                  "dovecot_auth does as well, and for CRAM-MD5 auth_http with "
                                  "http.methods cram-md5"
                                : "";
}

// The first source that serves this exchange and whose pool logs users in with their passwords. The
// protocol of auth_http has a password for the backend in each answer to an exchange.
std::vector<UserSource>::const_iterator first_that_needs_password(const Config& config,
                                                                  const Mechanism& mechanism) {
  return std::ranges::find_if(config.users, [&](const UserSource& source) {
    const auto pool = std::ranges::find(config.pools, source.pool, &Pool::name);
    const bool brings_password = source.kind == SourceKind::kAuthHttp ||
                                 (source.dovecot_auth && source.dovecot_auth->brings_passwords);
    return judges_exchange(proofs(config, source), mechanism) && !brings_password &&
           pool != config.pools.end() && !pool->trusts_headgate();
  });
}

// The second source that serves this exchange, where one of both judges each round itself: nobody
// could ask the other one in the middle of an exchange.
std::vector<UserSource>::const_iterator first_that_is_not_asked(const Config& config,
                                                                const Mechanism& mechanism) {
  const auto serves = [&](const UserSource& source) {
    return judges_exchange(proofs(config, source), mechanism);
  };
  const auto first = std::ranges::find_if(config.users, serves);
  if (first == config.users.end()) {
    return first;
  }
  const auto second = std::find_if(first + 1, config.users.end(), serves);
  return second != config.users.end() &&
                 (!proofs(config, *first).stored || !proofs(config, *second).stored)
             ? second
             : config.users.end();
}

std::string words(const std::vector<Mechanism>& mechanisms) {
  std::string list;
  for (const Mechanism& mechanism : mechanisms) {
    list.append(list.empty() ? "" : ", ").append(name(mechanism));
  }
  return list;
}

// Why the listener cannot offer its mechanism at `at`: what is expected, and found; or nothing.
std::string fault_of(const Config& config, const Listener& listener, std::size_t at) {
  const Mechanism& wanted = listener.sasl[at];
  if (!judges(all_proofs(config), wanted)) {
    return fmt::format("a mechanism that a user source can serve ({}), found {}{}",
                       words(served(config)), name(wanted), what_it_takes(wanted));
  }
  if (const std::string_view other = never_passed(wanted); !other.empty()) {
    return fmt::format("{}, found {}", other, name(wanted));
  }
  if (std::ranges::find(listener.sasl, wanted) - listener.sasl.begin() !=
      static_cast<std::ptrdiff_t>(at)) {
    return fmt::format("each mechanism once, found {} again", name(wanted));
  }
  if (wanted == Mechanism::kExternal && !verifies_clients(listener)) {
    return listener.client_certificates
               ? "client_certificates.ca at a listener with EXTERNAL, found none"
               : "client_certificates at a listener with EXTERNAL, found none";
  }
  const auto source = first_that_needs_password(config, wanted);
  if (by_exchange(wanted) && source != config.users.end()) {
    return fmt::format(
        "mechanisms that tell the password, since users[{}] leads to pool {}, which has neither a "
        "master user nor login secret or external, found {}",
        source - config.users.begin(), source->pool, name(wanted));
  }
  const auto idle = first_that_is_not_asked(config, wanted);
  if (by_exchange(wanted) && idle != config.users.end()) {
    return fmt::format(
        "mechanisms that tell the password, since users[{}] would never be asked: of two sources "
        "that judge such logins, one of them dovecot_auth or auth_http, only the first can be; "
        "found {}",
        idle - config.users.begin(), name(wanted));
  }
  if (ties_to_tls(wanted) && listener.tls == TlsMode::kNone) {
    return fmt::format("a listener with TLS for a mechanism tied to the TLS connection, found {}",
                       name(wanted));
  }
  return {};
}

}  // namespace

bool by_token(const Mechanism& mechanism) {
  return mechanism == Mechanism::kXoauth2 || mechanism == Mechanism::kOauthbearer;
}

bool by_exchange(const Mechanism& mechanism) {
  return ties_to_tls(mechanism) || is_passed(mechanism) || mechanism == Mechanism::kScramSha256 ||
         mechanism == Mechanism::kScramSha1 || mechanism == Mechanism::kCramMd5;
}

bool is_passed(const Mechanism& mechanism) {
  return mechanism == Mechanism::kDigestMd5 || mechanism == Mechanism::kGssapi ||
         mechanism == Mechanism::kGssSpnego || mechanism.kind == Mechanism::kOther;
}

bool has_long_messages(const Mechanism& mechanism) {
  return by_token(mechanism) || mechanism == Mechanism::kGssapi ||
         mechanism == Mechanism::kGssSpnego || mechanism.kind == Mechanism::kOther;
}

bool ties_to_tls(const Mechanism& mechanism) {
  return mechanism == Mechanism::kScramSha256Plus || mechanism == Mechanism::kScramSha1Plus;
}

Proofs proofs(const Config& config, const UserSource& source) {
  if (source.kind == SourceKind::kOauth) {
    return {.token = true};
  }
  if (source.kind == SourceKind::kCertificate) {
    return {.certificate = true};
  }
  if (source.dovecot_auth && !source.dovecot_auth->route_only) {
    return {.password = true,
            .token = source.dovecot_auth->tokens,
            .rounds = true,
            .certificate = source.dovecot_auth->external};
  }
  if (source.kind == SourceKind::kAuthHttp) {
    return {.password = source.http.judges(AuthMethod::kPlain),
            .token = source.http.judges(AuthMethod::kToken),
            .cram_md5 = source.http.judges(AuthMethod::kCramMd5),
            .certificate = source.http.judges(AuthMethod::kExternal)};
  }
  if (!source.trusts_backend()) {
    const bool stored = source.kind == SourceKind::kPasswdFile || source.sql ||
                        (source.ldap && source.ldap->passwords == LdapPasswords::kFetch);
    return {.password = true, .stored = stored};
  }
  const bool passed_on = std::ranges::any_of(
      config.pools, [](const Pool& pool) { return pool.login == BackendLogin::kToken; });
  return {.password = true, .token = passed_on};
}

std::vector<Mechanism> offered(const Config& config, const Listener& listener) {
  if (!listener.sasl.empty()) {
    return listener.sasl;
  }
  std::vector<Mechanism> mechanisms = served(config);
  std::erase_if(mechanisms, by_exchange);  // not every user may have what they need
  if (!verifies_clients(listener)) {
    std::erase(mechanisms, Mechanism::kExternal);
  }
  return mechanisms;
}

void check_mechanisms(Reader& reader, const Config& config) {
  if (served(config).empty()) {
    return;  // there are no sources, which is an error already
  }
  for (std::size_t i = 0; i < config.users.size(); ++i) {
    if (!reader.good(fmt::format("users[{}].source", i))) {
      return;  // what it could serve is not known
    }
  }
  for (std::size_t i = 0; i < config.listeners.size(); ++i) {
    const std::vector<Mechanism>& wanted = config.listeners[i].sasl;
    for (std::size_t j = 0; j < wanted.size(); ++j) {
      const std::string path = fmt::format("listeners[{}].sasl[{}]", i, j);
      if (!reader.good(path)) {
        continue;
      }
      if (const std::string fault = fault_of(config, config.listeners[i], j); !fault.empty()) {
        reader.refuse(path, fault);
      }
    }
  }
}

}  // namespace headgate::config
