#include "net/crypto_library.h"

#include <openssl/conf.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include "net/x25519_provider.h"

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

OSSL_LIB_CTX* make() {
  OSSL_LIB_CTX* const library = OSSL_LIB_CTX_new();
  if (library == nullptr) {
    return nullptr;
  }
  ERR_set_mark();
  load_config(library);
  // Who demands certified algorithms gets those and no others.
  if (EVP_default_properties_is_fips_enabled(library) == 0 && x25519_ladder_is_faster() &&
      OSSL_PROVIDER_add_builtin(library, kProvider, &x25519_provider_init) == 1 &&
      OSSL_PROVIDER_load(library, "default") != nullptr &&
      OSSL_PROVIDER_load(library, kProvider) != nullptr) {
    EVP_set_default_properties(library, "?provider=headgate");
  }
  ERR_pop_to_mark();
  return library;
}

}  // namespace

OSSL_LIB_CTX* crypto_library() {
  static OSSL_LIB_CTX* const library = make();
  return library;
}

}  // namespace headgate::net
