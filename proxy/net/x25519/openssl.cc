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

X25519OfOpenSsl::X25519OfOpenSsl()
    : context_(OpenSslFunctions::own().context()),
      key_functions_(OpenSslFunctions::own().of(OSSL_OP_KEYMGMT, kX25519)),
      exchange_functions_(OpenSslFunctions::own().of(OSSL_OP_KEYEXCH, kX25519)) {
  const auto of_keys = [this]<typename Function>(Function*& function, int id) {
    function = function_of<Function>(key_functions_, id);
  };
  of_keys(new_key_, OSSL_FUNC_KEYMGMT_NEW);
  of_keys(free_key_, OSSL_FUNC_KEYMGMT_FREE);
  of_keys(import_, OSSL_FUNC_KEYMGMT_IMPORT);
  const auto of_exchanges = [this]<typename Function>(Function*& function, int id) {
    function = function_of<Function>(exchange_functions_, id);
  };
  of_exchanges(new_exchange_, OSSL_FUNC_KEYEXCH_NEWCTX);
  of_exchanges(begin_, OSSL_FUNC_KEYEXCH_INIT);
  of_exchanges(set_peer_, OSSL_FUNC_KEYEXCH_SET_PEER);
  of_exchanges(derive_, OSSL_FUNC_KEYEXCH_DERIVE);
  of_exchanges(free_exchange_, OSSL_FUNC_KEYEXCH_FREECTX);
}

bool X25519OfOpenSsl::usable() const {
  return new_key_ != nullptr && free_key_ != nullptr && import_ != nullptr &&
         new_exchange_ != nullptr && begin_ != nullptr && set_peer_ != nullptr &&
         derive_ != nullptr && free_exchange_ != nullptr;
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
