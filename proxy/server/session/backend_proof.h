#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "auth/user_source.h"
#include "config/config.h"
#include "dialogue/backend_dialogue.h"
#include "dialogue/credentials.h"

namespace headgate::server {

// By what users are logged in at the backends of `pool`: by what the client gave, or because the
// backends trust Headgate.

// Why these credentials are of no use there, for the log; nullopt: they are.
std::optional<std::string> why_useless(const config::Pool& pool, const auth::Route& route,
                                       const dialogue::Credentials& credentials);
// How TLS begins there, and whether the backend's certificate counts.
struct TlsAtBackend {
  config::TlsMode mode = config::TlsMode::kNone;
  bool verified = true;  // as the pool says; false: any certificate is as good as another
};
// As the user source wants it: how it begins why_useless() has found possible; that any certificate
// will do is obeyed where the pool permits it.
TlsAtBackend tls_at_backend(const config::Pool& pool, const auth::Route& route);
// Whether the user source would take any certificate and the pool does not.
bool refuses_any_certificate(const config::Pool& pool, const auth::Route& route);
// Fills in that the master user logs in on behalf of `user`.
void prove_by_master(const config::Master& master, std::string_view user,
                     dialogue::BackendLoginRequest& request);
// Fills in who logs in and the proof of it; of credentials that are of use.
void prove(const config::Pool& pool, const auth::Route& route,
           const dialogue::Credentials& credentials, dialogue::BackendLoginRequest& request);

}  // namespace headgate::server
