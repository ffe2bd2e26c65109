#include "net/x25519/openssl.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <cstddef>
#include <string_view>

namespace headgate::net {
namespace {

OSSL_PARAM octets(const char* name, const X25519Key& bytes) {
  return OSSL_PARAM_construct_octet_string(name, const_cast<unsigned char*>(bytes.data()),
                                           bytes.size());
}

}  // namespace

const X25519OfOpenSsl& X25519OfOpenSsl::own() {
  static const X25519OfOpenSsl functions;
  return functions;
}

X25519OfOpenSsl::X25519OfOpenSsl() : provider_(OSSL_PROVIDER_load(nullptr, "default")) {
  if (provider_ != nullptr) {
    context_ = OSSL_PROVIDER_get0_provider_ctx(provider_.get());
    find_key_functions();
    find_exchange_functions();
  }
}

bool X25519OfOpenSsl::usable() const {
  return new_key_ != nullptr && free_key_ != nullptr && import_ != nullptr &&
         new_exchange_ != nullptr && begin_ != nullptr && set_peer_ != nullptr &&
         derive_ != nullptr && free_exchange_ != nullptr;
}

void X25519OfOpenSsl::find_key_functions() {
  key_functions_ = functions_of(OSSL_OP_KEYMGMT);
  for (const OSSL_DISPATCH& function : key_functions_) {
    switch (function.function_id) {
      case OSSL_FUNC_KEYMGMT_NEW:
        new_key_ = OSSL_FUNC_keymgmt_new(&function);
        break;
      case OSSL_FUNC_KEYMGMT_FREE:
        free_key_ = OSSL_FUNC_keymgmt_free(&function);
        break;
      case OSSL_FUNC_KEYMGMT_IMPORT:
        import_ = OSSL_FUNC_keymgmt_import(&function);
        break;
      default:
        break;
    }
  }
}

void X25519OfOpenSsl::find_exchange_functions() {
  exchange_functions_ = functions_of(OSSL_OP_KEYEXCH);
  for (const OSSL_DISPATCH& function : exchange_functions_) {
    switch (function.function_id) {
      case OSSL_FUNC_KEYEXCH_NEWCTX:
        new_exchange_ = OSSL_FUNC_keyexch_newctx(&function);
        break;
      case OSSL_FUNC_KEYEXCH_INIT:
        begin_ = OSSL_FUNC_keyexch_init(&function);
        break;
      case OSSL_FUNC_KEYEXCH_SET_PEER:
        set_peer_ = OSSL_FUNC_keyexch_set_peer(&function);
        break;
      case OSSL_FUNC_KEYEXCH_DERIVE:
        derive_ = OSSL_FUNC_keyexch_derive(&function);
        break;
      case OSSL_FUNC_KEYEXCH_FREECTX:
        free_exchange_ = OSSL_FUNC_keyexch_freectx(&function);
        break;
      default:
        break;
    }
  }
}

// Empty: it has none.
std::vector<OSSL_DISPATCH> X25519OfOpenSsl::functions_of(int operation) const {
  int no_cache = 0;
  std::vector<OSSL_DISPATCH> functions;
  const OSSL_ALGORITHM* one = OSSL_PROVIDER_query_operation(provider_.get(), operation, &no_cache);
  for (; one != nullptr && one->algorithm_names != nullptr; ++one) {
    const std::string_view names(one->algorithm_names);
    if (names.substr(0, names.find(':')) == kX25519) {
      for (const OSSL_DISPATCH* entry = one->implementation; entry->function_id != 0; ++entry) {
        functions.push_back(*entry);
      }
      break;
    }
  }
  return functions;
}

void* X25519OfOpenSsl::key(const X25519Key& private_key, const X25519Key& public_key) const {
  const OSSL_PARAM params[] = {octets(OSSL_PKEY_PARAM_PUB_KEY, public_key),
                               octets(OSSL_PKEY_PARAM_PRIV_KEY, private_key),
                               OSSL_PARAM_construct_end()};
  void* key = new_key();
  if (key != nullptr && import_(key, OSSL_KEYMGMT_SELECT_KEYPAIR, params) != 1) {
    free_key_(key);
    return nullptr;
  }
  return key;
}

bool X25519OfOpenSsl::multiply(const X25519Key& private_key, X25519Key& public_key) const {
  // A private key that comes without a public one would have it computed in the slow way; this
  // one is not used for anything but as the peer's.
  static constexpr X25519Key kBasePoint{9};
  void* own = key(private_key, kBasePoint);
  void* exchange = new_exchange();
  std::size_t size = public_key.size();
  const bool done = own != nullptr && exchange != nullptr && begin_(exchange, own, nullptr) == 1 &&
                    set_peer_(exchange, own) == 1 &&
                    derive_(exchange, public_key.data(), &size, size) == 1 &&
                    size == kX25519KeySize;
  if (exchange != nullptr) {
    free_exchange_(exchange);
  }
  if (own != nullptr) {
    free_key_(own);
  }
  return done;
}

}  // namespace headgate::net
