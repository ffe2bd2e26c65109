#include "server/session/backend_proof.h"

namespace headgate::server {

using config::BackendLogin;
using dialogue::BackendProof;

namespace {

bool by_master(const config::Pool& pool, const auth::Route& route) {
  return pool.master && route.use_master && !route.password;
}

// The backends want to see what the client has shown.
std::optional<std::string> why_nothing_to_show(const config::Pool& pool,
                                               const dialogue::Credentials& credentials) {
  if (credentials.by_certificate()) {
    return "pool " + pool.name + " takes no certificates of clients: it needs a master user, or " +
           "login secret or external";
  }
  if (credentials.by_exchange()) {
    return "pool " + pool.name + " needs the client's password, which " + credentials.mechanism +
           " does not tell";
  }
  if (credentials.by_token() && pool.login != BackendLogin::kToken) {
    return "pool " + pool.name + " takes no tokens: its login is password";
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> why_useless(const config::Pool& pool, const auth::Route& route,
                                       const dialogue::Credentials& credentials) {
  if (route.tls && pool.tls == config::TlsMode::kNone) {
    return "the user source wants TLS at the backend, and pool " + pool.name + " has none";
  }
  if (by_master(pool, route)) {
    // The backend would take the first part for the user.
    const std::string& separator = pool.master->separator;
    return separator.empty() || !route.user.contains(separator)
               ? std::nullopt
               : std::optional("the user's name holds the separator of pool " + pool.name +
                               "'s master user");
  }
  if (pool.login == BackendLogin::kPassword || pool.login == BackendLogin::kToken) {
    return route.password ? std::nullopt : why_nothing_to_show(pool, credentials);
  }
  // Whom Headgate lets in the backends let in; a source may name the pool that checks nothing.
  if (!route.use_master) {
    return "pool " + pool.name + " trusts Headgate, and the user source checks nothing";
  }
  return std::nullopt;
}

TlsAtBackend tls_at_backend(const config::Pool& pool, const auth::Route& route) {
  TlsAtBackend tls{.mode = pool.tls, .verified = !(route.any_certificate && pool.allow_any_cert)};
  if (route.tls) {
    tls.mode = *route.tls == auth::BackendTls::kStartTls ? config::TlsMode::kStartTls
                                                         : config::TlsMode::kImplicit;
  }
  return tls;
}

bool refuses_any_certificate(const config::Pool& pool, const auth::Route& route) {
  return route.any_certificate && !pool.allow_any_cert && pool.verify &&
         pool.tls != config::TlsMode::kNone;
}

void prove_by_master(const config::Master& master, std::string_view user,
                     dialogue::BackendLoginRequest& request) {
  request.password = master.password.clone();
  if (master.separator.empty()) {
    request.user = master.user;
    request.authorization = user;
  } else {
    request.user.append(user).append(master.separator).append(master.user);
  }
}

void prove(const config::Pool& pool, const auth::Route& route,
           const dialogue::Credentials& credentials, dialogue::BackendLoginRequest& request) {
  if (by_master(pool, route)) {
    prove_by_master(*pool.master, route.user, request);
    return;
  }
  request.user = route.user;
  if (pool.login == BackendLogin::kSecret) {
    request.password = pool.secret.clone();
  } else if (pool.login == BackendLogin::kExternal) {
    request.proof = BackendProof::kExternal;
  } else {
    request.password = route.password ? route.password->clone() : credentials.secret.clone();
    request.proof = route.proof;
    if (route.master) {
      request.user = *route.master;
      request.authorization = route.user;
    }
    if (!route.password && credentials.by_token()) {
      request.proof =
          credentials.mechanism == "XOAUTH2" ? BackendProof::kXoauth2 : BackendProof::kOauthbearer;
    }
  }
}

}  // namespace headgate::server
