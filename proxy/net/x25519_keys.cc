#include "net/x25519_keys.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <vector>

#include "base/c_ptr.h"
#include "net/shortest.h"
#include "net/tls_provider.h"

namespace headgate::net {
namespace {

constexpr std::size_t kKeySize = 32;

using Bytes = std::array<unsigned char, kKeySize>;

OSSL_PARAM octets(const char* name, const Bytes& bytes) {
  return OSSL_PARAM_construct_octet_string(name, const_cast<unsigned char*>(bytes.data()),
                                           bytes.size());
}

// What OpenSSL's default provider has for X25519: its functions, which we call and hand on. They
// are asked for once, so that a key costs no look-ups by name and no EVP_PKEY around it.
class OpenSsl {
 public:
  // Of the default library context, where our provider is not.
  static const OpenSsl& own() {
    static const OpenSsl functions;
    return functions;
  }

  [[nodiscard]] bool usable() const {
    return new_key_ != nullptr && free_key_ != nullptr && import_ != nullptr &&
           new_exchange_ != nullptr && begin_ != nullptr && set_peer_ != nullptr &&
           derive_ != nullptr && free_exchange_ != nullptr;
  }
  [[nodiscard]] std::span<const OSSL_DISPATCH> key_functions() const { return key_functions_; }
  [[nodiscard]] std::span<const OSSL_DISPATCH> exchange_functions() const {
    return exchange_functions_;
  }

  [[nodiscard]] void* new_key() const { return new_key_(context_); }
  [[nodiscard]] void* new_exchange() const { return new_exchange_(context_); }

  // null: out of memory. To be given back by the caller.
  void* key(const Bytes& private_key, const Bytes& public_key) const {
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

  // The base point times the private key.
  bool multiply(const Bytes& private_key, Bytes& public_key) const {
    // A private key that comes without a public one would have it computed in the slow way; this
    // one is not used for anything but as the peer's.
    static constexpr Bytes kBasePoint{9};
    void* own = key(private_key, kBasePoint);
    void* exchange = new_exchange();
    std::size_t size = public_key.size();
    const bool done = own != nullptr && exchange != nullptr &&
                      begin_(exchange, own, nullptr) == 1 && set_peer_(exchange, own) == 1 &&
                      derive_(exchange, public_key.data(), &size, size) == 1 && size == kKeySize;
    if (exchange != nullptr) {
      free_exchange_(exchange);
    }
    if (own != nullptr) {
      free_key_(own);
    }
    return done;
  }

 private:
  OpenSsl() : provider_(OSSL_PROVIDER_load(nullptr, "default")) {
    if (provider_ == nullptr) {
      return;
    }
    context_ = OSSL_PROVIDER_get0_provider_ctx(provider_.get());
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

  // Without the mark of the end; empty: it has none.
  [[nodiscard]] std::vector<OSSL_DISPATCH> functions_of(int operation) const {
    int no_cache = 0;
    std::vector<OSSL_DISPATCH> functions;
    const OSSL_ALGORITHM* one =
        OSSL_PROVIDER_query_operation(provider_.get(), operation, &no_cache);
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

  CPtr<OSSL_PROVIDER, OSSL_PROVIDER_unload> provider_;
  void* context_ = nullptr;
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

// What provider-keymgmt(7) asks of the generation of keys, in its order.
struct Generation {
  OSSL_LIB_CTX* context;
  int selection;

  static void* begin(void* library, int selection, const OSSL_PARAM params[]) {
    auto* generation =
        new (std::nothrow) Generation{static_cast<OSSL_LIB_CTX*>(library), selection};
    if (generation != nullptr && set(generation, params) != 1) {
      delete generation;
      return nullptr;
    }
    return generation;
  }
  // The group can only be this one.
  static int set(void* /*generation*/, const OSSL_PARAM params[]) {
    const OSSL_PARAM* group =
        params != nullptr ? OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_GROUP_NAME) : nullptr;
    return group == nullptr ||
                   (group->data_type == OSSL_PARAM_UTF8_STRING &&
                    OPENSSL_strcasecmp(static_cast<const char*>(group->data), kX25519) == 0)
               ? 1
               : 0;
  }
  static const OSSL_PARAM* settable(void* /*generation*/, void* /*library*/) {
    static const OSSL_PARAM kParams[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, nullptr, 0),
        OSSL_PARAM_construct_end()};
    return kParams;
  }
  static void* make(void* of, OSSL_CALLBACK* /*progress*/, void* /*argument*/) {
    const auto& what = *static_cast<Generation*>(of);
    if ((what.selection & OSSL_KEYMGMT_SELECT_KEYPAIR) == 0) {
      return OpenSsl::own().new_key();  // parameters alone: there are none
    }
    Bytes private_key;
    Bytes public_key;
    void* key = nullptr;
    if (RAND_priv_bytes_ex(what.context, private_key.data(), kKeySize, 0) == 1) {
      // RFC 7748, section 5: so that the stored scalar is what is multiplied with.
      private_key[0] &= 248;
      private_key[31] = static_cast<unsigned char>((private_key[31] & 127) | 64);
      if (OpenSsl::own().multiply(private_key, public_key)) {
        key = OpenSsl::own().key(private_key, public_key);
      }
    }
    OPENSSL_cleanse(private_key.data(), private_key.size());
    return key;
  }
  static void end(void* generation) { delete static_cast<Generation*>(generation); }
};

void* new_key(void* /*library*/) {
  return OpenSsl::own().new_key();
}

void* new_exchange(void* /*library*/) {
  return OpenSsl::own().new_exchange();
}

// Functions that take a key, or make one of what they are given, and know no provider's context.
bool works_on_keys(int id) {
  static constexpr std::array kIds{OSSL_FUNC_KEYMGMT_FREE,       OSSL_FUNC_KEYMGMT_GET_PARAMS,
                                   OSSL_FUNC_KEYMGMT_SET_PARAMS, OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS,
                                   OSSL_FUNC_KEYMGMT_HAS,        OSSL_FUNC_KEYMGMT_SETTABLE_PARAMS,
                                   OSSL_FUNC_KEYMGMT_VALIDATE,   OSSL_FUNC_KEYMGMT_MATCH,
                                   OSSL_FUNC_KEYMGMT_IMPORT,     OSSL_FUNC_KEYMGMT_IMPORT_TYPES,
                                   OSSL_FUNC_KEYMGMT_EXPORT,     OSSL_FUNC_KEYMGMT_EXPORT_TYPES,
                                   OSSL_FUNC_KEYMGMT_DUP};
  return std::ranges::find(kIds, id) != kIds.end();
}

std::vector<OSSL_DISPATCH> key_manager() {
  std::vector<OSSL_DISPATCH> table{
      dispatch_entry(OSSL_FUNC_KEYMGMT_NEW, &new_key),
      dispatch_entry(OSSL_FUNC_KEYMGMT_GEN_INIT, &Generation::begin),
      dispatch_entry(OSSL_FUNC_KEYMGMT_GEN_SET_PARAMS, &Generation::set),
      dispatch_entry(OSSL_FUNC_KEYMGMT_GEN_SETTABLE_PARAMS, &Generation::settable),
      dispatch_entry(OSSL_FUNC_KEYMGMT_GEN, &Generation::make),
      dispatch_entry(OSSL_FUNC_KEYMGMT_GEN_CLEANUP, &Generation::end)};
  std::ranges::copy_if(OpenSsl::own().key_functions(), std::back_inserter(table),
                       [](const OSSL_DISPATCH& entry) { return works_on_keys(entry.function_id); });
  table.push_back({0, nullptr});
  return table;
}

std::vector<OSSL_DISPATCH> exchange() {
  std::vector<OSSL_DISPATCH> table{dispatch_entry(OSSL_FUNC_KEYEXCH_NEWCTX, &new_exchange)};
  std::ranges::copy_if(
      OpenSsl::own().exchange_functions(), std::back_inserter(table),
      [](const OSSL_DISPATCH& entry) { return entry.function_id != OSSL_FUNC_KEYEXCH_NEWCTX; });
  table.push_back({0, nullptr});
  return table;
}

// The names as OpenSSL's own provider has them, the object identifier included.
constexpr const char* kNames = "X25519:1.3.101.110";
constexpr const char* kProperties = "provider=headgate";

}  // namespace

const OSSL_ALGORITHM* x25519_key_managers() {
  static const std::vector<OSSL_DISPATCH> kFunctions = key_manager();
  static const OSSL_ALGORITHM kAlgorithms[] = {
      {kNames, kProperties, kFunctions.data(), "X25519 by the Montgomery ladder"},
      {nullptr, nullptr, nullptr, nullptr}};
  return OpenSsl::own().usable() ? kAlgorithms : nullptr;
}

const OSSL_ALGORITHM* x25519_exchanges() {
  static const std::vector<OSSL_DISPATCH> kFunctions = exchange();
  static const OSSL_ALGORITHM kAlgorithms[] = {
      {kNames, kProperties, kFunctions.data(), "OpenSSL's exchange, for these keys"},
      {nullptr, nullptr, nullptr, nullptr}};
  return OpenSsl::own().usable() ? kAlgorithms : nullptr;
}

bool x25519_ladder_is_faster() {
  if (!OpenSsl::own().usable()) {
    return false;
  }
  ERR_set_mark();
  const Bytes private_key{1};
  Bytes public_key;
  const auto ladder = shortest([&] { return OpenSsl::own().multiply(private_key, public_key); });
  const auto plain = shortest([] {
    return CPtr<EVP_PKEY, EVP_PKEY_free>(EVP_PKEY_Q_keygen(nullptr, nullptr, kX25519)) != nullptr;
  });
  ERR_pop_to_mark();
  return ladder.count() != 0 && ladder < plain;
}

}  // namespace headgate::net
