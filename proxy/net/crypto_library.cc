#include "net/crypto_library.h"

#include <openssl/conf.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include "net/tls_provider.h"

namespace headgate::net {
namespace {

constexpr const char* kProvider = "headgate";

// As the default context does by itself: a file that is not there is no error.
void load_config(OSSL_LIB_CTX* library) {
  char* const file = CONF_get1_default_config_file();
  if (file != nullptr) {
    OSSL_LIB_CTX_load_config(library, file);
  }
  OPENSSL_free(file);
}

struct Library {
  OSSL_LIB_CTX* context = nullptr;
  bool has_provider = false;
};

Library make() {
  OSSL_LIB_CTX* const library = OSSL_LIB_CTX_new();
  if (library == nullptr) {
    return {};
  }
  ERR_set_mark();
  load_config(library);
  const auto init = fastest_x25519_way() == X25519Way::kOpenSsl ? &tls_provider_without_keys_init
                                                                : &tls_provider_init;
  // Who demands certified algorithms gets those and no others.
  const bool has_provider = EVP_default_properties_is_fips_enabled(library) == 0 &&
                            OSSL_PROVIDER_add_builtin(library, kProvider, init) == 1 &&
                            OSSL_PROVIDER_load(library, "default") != nullptr &&
                            OSSL_PROVIDER_load(library, kProvider) != nullptr &&
                            EVP_set_default_properties(library, "?provider=headgate") == 1;
  ERR_pop_to_mark();
  return {library, has_provider};
}

// Never freed: threads that end last may hold keys of it.
const Library& only() {
  static const Library library = make();
  return library;
}

}  // namespace

OSSL_LIB_CTX* crypto_library() {
  return only().context;
}

bool key_schedule_is_ours() {
  return only().has_provider;
}

X25519Way x25519_way() {
  return only().has_provider ? fastest_x25519_way() : X25519Way::kOpenSsl;
}

}  // namespace headgate::net
