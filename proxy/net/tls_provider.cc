#include "net/tls_provider.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>

#include <cstring>

#include "net/tls13_kdf.h"
#include "net/tls_hmac.h"
#include "net/x25519/encapsulation.h"
#include "net/x25519/keys.h"
#include "net/x25519/openssl.h"

namespace headgate::net {
namespace {

const OSSL_ALGORITHM* query_key_schedule(void* /*library*/, int operation, int* no_cache) {
  *no_cache = 0;
  return operation == OSSL_OP_KDF ? tls13_kdf() : operation == OSSL_OP_MAC ? tls_hmac() : nullptr;
}

const OSSL_ALGORITHM* query_all(void* library, int operation, int* no_cache) {
  *no_cache = 0;
  switch (operation) {
    case OSSL_OP_KEYMGMT:
      return x25519_key_managers();
    case OSSL_OP_KEYEXCH:
      return x25519_exchanges();
    case OSSL_OP_KEM:
      return x25519_encapsulations();
    default:
      return query_key_schedule(library, operation, no_cache);
  }
}

// libssl uses a group only with the keys of the provider that says it has the group
// (provider-base(7), "TLS-GROUP" capability).
int capabilities(void* /*library*/, const char* capability, OSSL_CALLBACK* receiver,
                 void* argument) {
  if (std::strcmp(capability, "TLS-GROUP") != 0) {
    return 0;
  }
  static constexpr unsigned kGroupId = 0x001D;  // RFC 8446, section 4.2.7
  static constexpr unsigned kSecurity = 128;
  static constexpr unsigned kIsKem = 1;  // x25519/encapsulation.h
  static constexpr int kMinTls = 0x0301;
  static constexpr int kNoMaximum = 0;
  static constexpr int kMinDtls = 0xFEFF;
  const auto text = [](const char* name, const char* value) {
    return OSSL_PARAM_construct_utf8_string(name, const_cast<char*>(value), 0);
  };
  const auto number = [](const char* name, const unsigned& value) {
    return OSSL_PARAM_construct_uint(name, const_cast<unsigned*>(&value));
  };
  const auto version = [](const char* name, const int& value) {
    return OSSL_PARAM_construct_int(name, const_cast<int*>(&value));
  };
  const OSSL_PARAM group[] = {text(OSSL_CAPABILITY_TLS_GROUP_NAME, "x25519"),
                              text(OSSL_CAPABILITY_TLS_GROUP_NAME_INTERNAL, kX25519),
                              text(OSSL_CAPABILITY_TLS_GROUP_ALG, kX25519),
                              number(OSSL_CAPABILITY_TLS_GROUP_ID, kGroupId),
                              number(OSSL_CAPABILITY_TLS_GROUP_SECURITY_BITS, kSecurity),
                              number(OSSL_CAPABILITY_TLS_GROUP_IS_KEM, kIsKem),
                              version(OSSL_CAPABILITY_TLS_GROUP_MIN_TLS, kMinTls),
                              version(OSSL_CAPABILITY_TLS_GROUP_MAX_TLS, kNoMaximum),
                              version(OSSL_CAPABILITY_TLS_GROUP_MIN_DTLS, kMinDtls),
                              version(OSSL_CAPABILITY_TLS_GROUP_MAX_DTLS, kNoMaximum),
                              OSSL_PARAM_construct_end()};
  return receiver(group, argument);
}

// The provider's context is the library context that it was loaded into.
void* library_of(const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH* in) {
  for (; in->function_id != 0; ++in) {
    if (in->function_id == OSSL_FUNC_CORE_GET_LIBCTX) {
      // For a provider that is built in, the core's context is the library context itself.
      return OSSL_FUNC_core_get_libctx(in)(handle);
    }
  }
  return nullptr;
}

}  // namespace

extern "C" int tls_provider_init(const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH* in,
                                 const OSSL_DISPATCH** out, void** context) {
  static const OSSL_DISPATCH kFunctions[] = {
      dispatch_entry(OSSL_FUNC_PROVIDER_QUERY_OPERATION, &query_all),
      dispatch_entry(OSSL_FUNC_PROVIDER_GET_CAPABILITIES, &capabilities),
      {0, nullptr}};
  *context = library_of(handle, in);
  *out = kFunctions;
  return *context != nullptr ? 1 : 0;
}

extern "C" int tls_provider_without_keys_init(const OSSL_CORE_HANDLE* handle,
                                              const OSSL_DISPATCH* in, const OSSL_DISPATCH** out,
                                              void** context) {
  static const OSSL_DISPATCH kFunctions[] = {
      dispatch_entry(OSSL_FUNC_PROVIDER_QUERY_OPERATION, &query_key_schedule), {0, nullptr}};
  *context = library_of(handle, in);
  *out = kFunctions;
  return *context != nullptr ? 1 : 0;
}

}  // namespace headgate::net
