#include "net/openssl_functions.h"

#include <openssl/provider.h>

namespace headgate::net {

const OpenSslFunctions& OpenSslFunctions::own() {
  static const OpenSslFunctions functions;
  return functions;
}

OpenSslFunctions::OpenSslFunctions() : provider_(OSSL_PROVIDER_load(nullptr, "default")) {
  if (provider_ != nullptr) {
    context_ = OSSL_PROVIDER_get0_provider_ctx(provider_);
  }
}

std::vector<OSSL_DISPATCH> OpenSslFunctions::of(int operation, std::string_view name) const {
  std::vector<OSSL_DISPATCH> functions;
  if (provider_ == nullptr) {
    return functions;
  }
  int no_cache = 0;
  const OSSL_ALGORITHM* one = OSSL_PROVIDER_query_operation(provider_, operation, &no_cache);
  for (; one != nullptr && one->algorithm_names != nullptr; ++one) {
    const std::string_view names(one->algorithm_names);
    if (names.substr(0, names.find(':')) == name) {
      for (const OSSL_DISPATCH* entry = one->implementation; entry->function_id != 0; ++entry) {
        functions.push_back(*entry);
      }
      break;
    }
  }
  return functions;
}

}  // namespace headgate::net
