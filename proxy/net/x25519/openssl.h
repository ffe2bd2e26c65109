#pragma once

#include <openssl/core_dispatch.h>
#include <memory>
#include <span>
#include <vector>

#include "net/x25519/pair.h"

namespace headgate::net {

// The name of the group, its keys and its exchange throughout OpenSSL.
inline constexpr const char* kX25519 = "X25519";

// What OpenSSL's default provider has for X25519: its functions, which we call and hand on. They
// are asked for once, so that a key costs no look-ups by name and no EVP_PKEY around it.
class X25519OfOpenSsl {
 public:
  // Of the default library context, where our provider is not.
  static const X25519OfOpenSsl& own();

  // Whether all that is called here is there; else nothing below may be called.
  [[nodiscard]] bool usable() const;

  // Without the mark of the end.
  [[nodiscard]] std::span<const OSSL_DISPATCH> key_functions() const { return key_functions_; }
  [[nodiscard]] std::span<const OSSL_DISPATCH> exchange_functions() const {
    return exchange_functions_;
  }

  // null: out of memory. To be given back by the caller, to whom OpenSSL's functions are known.
  [[nodiscard]] void* new_key() const { return new_key_(context_); }
  [[nodiscard]] void* new_exchange() const { return new_exchange_(context_); }

  // A key of OpenSSL's; wiped when it goes.
  struct FreeKey {
    void operator()(void* key) const { own().free_key_(key); }
  };
  using Key = std::unique_ptr<void, FreeKey>;
  // null: out of memory.
  [[nodiscard]] Key key(const X25519Key& private_key, const X25519Key& public_key) const;
  [[nodiscard]] Key public_key(const X25519Key& public_key) const;

  // What two keys of OpenSSL's agree on (RFC 7748, section 6.1): kX25519KeySize bytes to `secret`.
  // False: the peer's key is one of those with which it would be zero, or OpenSSL failed.
  bool agree(void* own, void* peer, unsigned char* secret) const;
  // The base point times the private key, by the ladder of the exchange. False: OpenSSL failed.
  bool multiply(const X25519Key& private_key, X25519Key& public_key) const;

 private:
  X25519OfOpenSsl();
  [[nodiscard]] Key import_key(int selection, const OSSL_PARAM* params) const;

  void* context_;
  std::vector<OSSL_DISPATCH> key_functions_;
  std::vector<OSSL_DISPATCH> exchange_functions_;
  OSSL_FUNC_keymgmt_new_fn* new_key_ = nullptr;
  OSSL_FUNC_keymgmt_free_fn* free_key_ = nullptr;
  OSSL_FUNC_keymgmt_import_fn* import_ = nullptr;
  OSSL_FUNC_keyexch_newctx_fn* new_exchange_ = nullptr;
  OSSL_FUNC_keyexch_init_fn* begin_ = nullptr;
  OSSL_FUNC_keyexch_set_peer_fn* set_peer_ = nullptr;
  OSSL_FUNC_keyexch_derive_fn* derive_ = nullptr;
  OSSL_FUNC_keyexch_freectx_fn* free_exchange_ = nullptr;
};

}  // namespace headgate::net
