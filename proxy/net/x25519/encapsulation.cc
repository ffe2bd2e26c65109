#include "net/x25519/encapsulation.h"

#include <openssl/core_dispatch.h>
#include <openssl/params.h>

#include <algorithm>
#include <cstddef>
#include <new>

#include "net/tls_provider.h"
#include "net/x25519/fresh_pairs.h"
#include "net/x25519/keys.h"
#include "net/x25519/openssl.h"

namespace headgate::net {
namespace {

// One operation, as provider-kem(7) cuts it. The key is the EVP_PKEY's, which outlives this.
struct Encapsulation {
  OSSL_LIB_CTX* random_from;  // the library context that fresh keys are random bytes of
  void* key = nullptr;

  static void* begin(void* library) {
    return new (std::nothrow) Encapsulation{static_cast<OSSL_LIB_CTX*>(library)};
  }
  static void* copy(void* of) {
    return new (std::nothrow) Encapsulation(*static_cast<Encapsulation*>(of));
  }
  static void end(void* of) { delete static_cast<Encapsulation*>(of); }

  static int set_key(void* of, void* key, const OSSL_PARAM[] /*params*/) {
    static_cast<Encapsulation*>(of)->key = key;
    return 1;
  }

  // The key is the peer's; `out` gets the fresh public key. Without `out` the sizes alone.
  static int encapsulate(void* of, unsigned char* out, std::size_t* out_size, unsigned char* secret,
                         std::size_t* secret_size) {
    if (out == nullptr) {
      return say_size(out_size) && say_size(secret_size) ? 1 : 0;
    }
    const auto& self = *static_cast<Encapsulation*>(of);
    X25519Pair fresh;
    if (!has_room(out_size) || !has_room(secret_size) ||
        !fresh_pairs_of_this_thread().take(self.random_from, fresh)) {
      return 0;
    }
    const auto own = X25519OfOpenSsl::own().key(fresh.private_key, fresh.public_key);
    if (own == nullptr || !X25519OfOpenSsl::own().agree(own.get(), self.key, secret)) {
      return 0;
    }
    std::ranges::copy(fresh.public_key, out);
    return say_size(out_size) && say_size(secret_size) ? 1 : 0;
  }

  // The key is ours; `in` is the peer's public one.
  static int decapsulate(void* of, unsigned char* secret, std::size_t* secret_size,
                         const unsigned char* in, std::size_t in_size) {
    if (secret == nullptr) {
      return say_size(secret_size) ? 1 : 0;
    }
    X25519Key public_key;
    if (in_size != public_key.size() || !has_room(secret_size)) {
      return 0;
    }
    std::copy_n(in, in_size, public_key.begin());
    const auto peer = X25519OfOpenSsl::own().public_key(public_key);
    return peer != nullptr &&
                   X25519OfOpenSsl::own().agree(static_cast<Encapsulation*>(of)->key, peer.get(),
                                                secret) &&
                   say_size(secret_size)
               ? 1
               : 0;
  }

 private:
  // Whoever calls may leave a size out that he knows.
  static bool has_room(const std::size_t* size) {
    return size == nullptr || *size >= kX25519KeySize;
  }
  static bool say_size(std::size_t* size) {
    if (size != nullptr) {
      *size = kX25519KeySize;
    }
    return true;
  }
};

}  // namespace

const OSSL_ALGORITHM* x25519_encapsulations() {
  static const OSSL_DISPATCH kFunctions[] = {
      dispatch_entry(OSSL_FUNC_KEM_NEWCTX, &Encapsulation::begin),
      dispatch_entry(OSSL_FUNC_KEM_DUPCTX, &Encapsulation::copy),
      dispatch_entry(OSSL_FUNC_KEM_FREECTX, &Encapsulation::end),
      dispatch_entry(OSSL_FUNC_KEM_ENCAPSULATE_INIT, &Encapsulation::set_key),
      dispatch_entry(OSSL_FUNC_KEM_ENCAPSULATE, &Encapsulation::encapsulate),
      dispatch_entry(OSSL_FUNC_KEM_DECAPSULATE_INIT, &Encapsulation::set_key),
      dispatch_entry(OSSL_FUNC_KEM_DECAPSULATE, &Encapsulation::decapsulate),
      {0, nullptr}};
  static const OSSL_ALGORITHM kAlgorithms[] = {
      {kX25519Names, kX25519Properties, kFunctions, "OpenSSL's exchange in fewer calls"},
      {nullptr, nullptr, nullptr, nullptr}};
  return X25519OfOpenSsl::own().usable() ? kAlgorithms : nullptr;
}

}  // namespace headgate::net
