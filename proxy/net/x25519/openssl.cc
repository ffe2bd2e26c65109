#include "net/x25519/openssl.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <cstddef>

#include "net/openssl_functions.h"

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

X25519OfOpenSsl::X25519OfOpenSsl() : context_(OpenSslFunctions::own().context()) {
  find_key_functions();
  find_exchange_functions();
}

bool X25519OfOpenSsl::usable() const {
  return new_key_ != nullptr && free_key_ != nullptr && import_ != nullptr &&
         new_exchange_ != nullptr && begin_ != nullptr && set_peer_ != nullptr &&
         derive_ != nullptr && free_exchange_ != nullptr;
}

void X25519OfOpenSsl::find_key_functions() {
  key_functions_ = OpenSslFunctions::own().of(OSSL_OP_KEYMGMT, kX25519);
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
  exchange_functions_ = OpenSslFunctions::own().of(OSSL_OP_KEYEXCH, kX25519);
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

X25519OfOpenSsl::Key X25519OfOpenSsl::import_key(int selection, const OSSL_PARAM* params) const {
  Key key(new_key());
  if (key != nullptr && import_(key.get(), selection, params) != 1) {
    return nullptr;
  }
  return key;
}

X25519OfOpenSsl::Key X25519OfOpenSsl::key(const X25519Key& private_key,
                                          const X25519Key& public_key) const {
  const OSSL_PARAM params[] = {octets(OSSL_PKEY_PARAM_PUB_KEY, public_key),
                               octets(OSSL_PKEY_PARAM_PRIV_KEY, private_key),
                               OSSL_PARAM_construct_end()};
  return import_key(OSSL_KEYMGMT_SELECT_KEYPAIR, params);
}

X25519OfOpenSsl::Key X25519OfOpenSsl::public_key(const X25519Key& public_key) const {
  const OSSL_PARAM params[] = {octets(OSSL_PKEY_PARAM_PUB_KEY, public_key),
                               OSSL_PARAM_construct_end()};
  return import_key(OSSL_KEYMGMT_SELECT_PUBLIC_KEY, params);
}

bool X25519OfOpenSsl::agree(void* own, void* peer, unsigned char* secret) const {
  void* const exchange = new_exchange();
  std::size_t size = kX25519KeySize;
  const bool done = exchange != nullptr && begin_(exchange, own, nullptr) == 1 &&
                    set_peer_(exchange, peer) == 1 && derive_(exchange, secret, &size, size) == 1 &&
                    size == kX25519KeySize;
  if (exchange != nullptr) {
    free_exchange_(exchange);
  }
  return done;
}

bool X25519OfOpenSsl::multiply(const X25519Key& private_key, X25519Key& public_key) const {
  // A private key that comes without a public one would have it computed in the slow way; this
  // one is not used for anything but as the peer's.
  static constexpr X25519Key kBasePoint{9};
  const Key own = key(private_key, kBasePoint);
  return own != nullptr && agree(own.get(), own.get(), public_key.data());
}

}  // namespace headgate::net
