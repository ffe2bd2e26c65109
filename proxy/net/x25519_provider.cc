#include "net/x25519_provider.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <new>

#include "net/tls13_kdf.h"

namespace headgate::net {
namespace {

constexpr std::size_t kKeySize = 32;
constexpr int kBits = 253;
constexpr int kSecurityBits = 128;
constexpr const char* kName = "X25519";

using Bytes = std::array<unsigned char, kKeySize>;

template <auto kFree>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Pkey = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using PkeyContext = std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>>;

OSSL_PARAM octets(const char* name, const Bytes& bytes) {
  return OSSL_PARAM_construct_octet_string(name, const_cast<unsigned char*>(bytes.data()),
                                           bytes.size());
}

// OpenSSL's own X25519, out of its default library context, where this provider is not.
class Ladder {
 public:
  Ladder() : from_data_(EVP_PKEY_CTX_new_from_name(nullptr, kName, nullptr)) {
    Bytes base_point{9};
    base_point_.reset(
        EVP_PKEY_new_raw_public_key_ex(nullptr, kName, nullptr, base_point.data(), kKeySize));
    usable_ = base_point_ && from_data_ && EVP_PKEY_fromdata_init(from_data_.get()) == 1;
  }

  bool public_key(const Bytes& private_key, Bytes& public_key) const {
    if (!usable_) {
      return false;
    }
    // A private key that comes without a public one would have it computed in the slow way; this
    // one is not used for anything.
    static constexpr Bytes kUnused{9};
    OSSL_PARAM params[] = {octets(OSSL_PKEY_PARAM_PUB_KEY, kUnused),
                           octets(OSSL_PKEY_PARAM_PRIV_KEY, private_key),
                           OSSL_PARAM_construct_end()};
    EVP_PKEY* made = nullptr;
    if (EVP_PKEY_fromdata(from_data_.get(), &made, EVP_PKEY_KEYPAIR, params) != 1) {
      return false;
    }
    const Pkey key(made);
    const PkeyContext derive(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
    std::size_t size = public_key.size();
    return derive && EVP_PKEY_derive_init(derive.get()) == 1 &&
           EVP_PKEY_derive_set_peer_ex(derive.get(), base_point_.get(), 0) == 1 &&
           EVP_PKEY_derive(derive.get(), public_key.data(), &size) == 1 && size == kKeySize;
  }

  static const Ladder& of_this_thread() {
    static thread_local const Ladder ladder;
    return ladder;
  }

 private:
  Pkey base_point_;
  PkeyContext from_data_;
  bool usable_ = false;
};

struct Provider {
  OSSL_LIB_CTX* library = nullptr;  // the one this provider was loaded into
};

struct Key {
  Bytes public_key{};
  Bytes private_key{};
  bool has_public = false;
  bool has_private = false;

  Key() = default;
  Key(const Key&) = default;
  ~Key() { OPENSSL_cleanse(private_key.data(), private_key.size()); }
};

bool get_octets(const OSSL_PARAM* param, Bytes& into) {
  void* data = into.data();
  std::size_t size = 0;
  return OSSL_PARAM_get_octet_string(param, &data, into.size(), &size) == 1 && size == kKeySize;
}

struct Generation {
  Provider* provider;
  int selection;
};

// What provider-keymgmt(7) asks of a key manager, in its order.
struct KeyManager {
  static void* make(void* /*provider*/) { return new (std::nothrow) Key; }
  static void free(void* key) { delete static_cast<Key*>(key); }
  static void* duplicate(const void* from, int selection) {
    auto* key = new (std::nothrow) Key(*static_cast<const Key*>(from));
    if (key != nullptr) {
      key->has_public = key->has_public && (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0;
      key->has_private = key->has_private && (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0;
    }
    return key;
  }

  static void* begin_generation(void* provider, int selection, const OSSL_PARAM params[]) {
    auto* generation = new (std::nothrow) Generation{static_cast<Provider*>(provider), selection};
    if (generation != nullptr && set_generation(generation, params) != 1) {
      delete generation;
      return nullptr;
    }
    return generation;
  }
  // The group can only be this one.
  static int set_generation(void* /*generation*/, const OSSL_PARAM params[]) {
    const OSSL_PARAM* group =
        params != nullptr ? OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_GROUP_NAME) : nullptr;
    return group == nullptr ||
                   (group->data_type == OSSL_PARAM_UTF8_STRING &&
                    OPENSSL_strcasecmp(static_cast<const char*>(group->data), kName) == 0)
               ? 1
               : 0;
  }
  static const OSSL_PARAM* settable_generation(void* /*generation*/, void* /*provider*/) {
    static const OSSL_PARAM kParams[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, nullptr, 0),
        OSSL_PARAM_construct_end()};
    return kParams;
  }
  static void* generate(void* generation, OSSL_CALLBACK* /*progress*/, void* /*argument*/) {
    const auto& what = *static_cast<Generation*>(generation);
    auto key = std::unique_ptr<Key>(new (std::nothrow) Key);
    if (!key || (what.selection & OSSL_KEYMGMT_SELECT_KEYPAIR) == 0) {
      return key.release();  // parameters alone: there are none
    }
    if (RAND_priv_bytes_ex(what.provider->library, key->private_key.data(), kKeySize, 0) != 1) {
      return nullptr;
    }
    // RFC 7748, section 5: so that the stored scalar is what is multiplied with.
    key->private_key[0] &= 248;
    key->private_key[31] = static_cast<unsigned char>((key->private_key[31] & 127) | 64);
    if (!Ladder::of_this_thread().public_key(key->private_key, key->public_key)) {
      return nullptr;
    }
    key->has_public = key->has_private = true;
    return key.release();
  }
  static void end_generation(void* generation) { delete static_cast<Generation*>(generation); }

  static int has(const void* of, int selection) {
    const auto* key = static_cast<const Key*>(of);
    const bool lacks_public = (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0 && !key->has_public;
    const bool lacks_private =
        (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 && !key->has_private;
    return key != nullptr && !lacks_public && !lacks_private ? 1 : 0;
  }
  static int match(const void* one, const void* other, int selection) {
    const auto* a = static_cast<const Key*>(one);
    const auto* b = static_cast<const Key*>(other);
    if ((selection & OSSL_KEYMGMT_SELECT_KEYPAIR) == 0) {
      return 1;
    }
    return a->has_public && b->has_public && a->public_key == b->public_key ? 1 : 0;
  }
  // Every 32 bytes are a public key; those of small order are found out by the key exchange, whose
  // result is zero then.
  static int validate(const void* of, int selection, int /*how*/) { return has(of, selection); }

  static int import(void* into, int selection, const OSSL_PARAM params[]) {
    auto& key = *static_cast<Key*>(into);
    const OSSL_PARAM* priv = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_PRIV_KEY);
    const OSSL_PARAM* pub = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_PUB_KEY);
    if (priv != nullptr && (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0) {
      if (!get_octets(priv, key.private_key)) {
        return 0;
      }
      key.has_private = true;
    }
    if (pub != nullptr) {
      key.has_public = get_octets(pub, key.public_key);
    } else if (key.has_private) {
      key.has_public = Ladder::of_this_thread().public_key(key.private_key, key.public_key);
    }
    return key.has_public ? 1 : 0;
  }
  static int hand_out(void* of, int selection, OSSL_CALLBACK* receiver, void* argument) {
    const auto& key = *static_cast<Key*>(of);
    std::array<OSSL_PARAM, 3> params{};
    std::size_t count = 0;
    if (key.has_public && (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0) {
      params[count++] = octets(OSSL_PKEY_PARAM_PUB_KEY, key.public_key);
    }
    if (key.has_private && (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0) {
      params[count++] = octets(OSSL_PKEY_PARAM_PRIV_KEY, key.private_key);
    }
    params[count] = OSSL_PARAM_construct_end();
    return receiver(params.data(), argument);
  }
  static const OSSL_PARAM* types(int /*selection*/) {
    static const OSSL_PARAM kParams[] = {
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, nullptr, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, nullptr, 0),
        OSSL_PARAM_construct_end()};
    return kParams;
  }

  static int get(void* of, OSSL_PARAM params[]) {
    const auto& key = *static_cast<Key*>(of);
    const auto set_int = [params](const char* name, int value) {
      OSSL_PARAM* param = OSSL_PARAM_locate(params, name);
      return param == nullptr || OSSL_PARAM_set_int(param, value) == 1;
    };
    const auto set_public = [params, &key](const char* name) {
      OSSL_PARAM* param = OSSL_PARAM_locate(params, name);
      return param == nullptr ||
             (key.has_public && OSSL_PARAM_set_octet_string(param, key.public_key.data(),
                                                            key.public_key.size()) == 1);
    };
    return set_int(OSSL_PKEY_PARAM_BITS, kBits) &&
                   set_int(OSSL_PKEY_PARAM_SECURITY_BITS, kSecurityBits) &&
                   set_int(OSSL_PKEY_PARAM_MAX_SIZE, static_cast<int>(kKeySize)) &&
                   set_public(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY) &&
                   set_public(OSSL_PKEY_PARAM_PUB_KEY)
               ? 1
               : 0;
  }
  static const OSSL_PARAM* gettable(void* /*provider*/) {
    static const OSSL_PARAM kParams[] = {
        OSSL_PARAM_construct_int(OSSL_PKEY_PARAM_BITS, nullptr),
        OSSL_PARAM_construct_int(OSSL_PKEY_PARAM_SECURITY_BITS, nullptr),
        OSSL_PARAM_construct_int(OSSL_PKEY_PARAM_MAX_SIZE, nullptr),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, nullptr, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, nullptr, 0),
        OSSL_PARAM_construct_end()};
    return kParams;
  }
  // What a peer sent: the key is a public one from here on.
  static int set(void* of, const OSSL_PARAM params[]) {
    auto& key = *static_cast<Key*>(of);
    const OSSL_PARAM* pub = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY);
    if (pub == nullptr) {
      return 1;
    }
    OPENSSL_cleanse(key.private_key.data(), key.private_key.size());
    key.has_private = false;
    key.has_public = get_octets(pub, key.public_key);
    return key.has_public ? 1 : 0;
  }
  static const OSSL_PARAM* settable(void* /*provider*/) {
    static const OSSL_PARAM kParams[] = {
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, nullptr, 0),
        OSSL_PARAM_construct_end()};
    return kParams;
  }
};

template <typename Function>
OSSL_DISPATCH entry(int id, Function* function) {
  return {id, reinterpret_cast<void (*)(void)>(function)};
}

const OSSL_ALGORITHM* query(void* /*provider*/, int operation, int* no_cache) {
  static const OSSL_DISPATCH kFunctions[] = {
      entry(OSSL_FUNC_KEYMGMT_NEW, &KeyManager::make),
      entry(OSSL_FUNC_KEYMGMT_FREE, &KeyManager::free),
      entry(OSSL_FUNC_KEYMGMT_DUP, &KeyManager::duplicate),
      entry(OSSL_FUNC_KEYMGMT_GEN_INIT, &KeyManager::begin_generation),
      entry(OSSL_FUNC_KEYMGMT_GEN_SET_PARAMS, &KeyManager::set_generation),
      entry(OSSL_FUNC_KEYMGMT_GEN_SETTABLE_PARAMS, &KeyManager::settable_generation),
      entry(OSSL_FUNC_KEYMGMT_GEN, &KeyManager::generate),
      entry(OSSL_FUNC_KEYMGMT_GEN_CLEANUP, &KeyManager::end_generation),
      entry(OSSL_FUNC_KEYMGMT_HAS, &KeyManager::has),
      entry(OSSL_FUNC_KEYMGMT_MATCH, &KeyManager::match),
      entry(OSSL_FUNC_KEYMGMT_VALIDATE, &KeyManager::validate),
      entry(OSSL_FUNC_KEYMGMT_IMPORT, &KeyManager::import),
      entry(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, &KeyManager::types),
      entry(OSSL_FUNC_KEYMGMT_EXPORT, &KeyManager::hand_out),
      entry(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, &KeyManager::types),
      entry(OSSL_FUNC_KEYMGMT_GET_PARAMS, &KeyManager::get),
      entry(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, &KeyManager::gettable),
      entry(OSSL_FUNC_KEYMGMT_SET_PARAMS, &KeyManager::set),
      entry(OSSL_FUNC_KEYMGMT_SETTABLE_PARAMS, &KeyManager::settable),
      {0, nullptr}};
  // The names as OpenSSL's own provider has them, the object identifier included.
  static const OSSL_ALGORITHM kKeyManagers[] = {
      {"X25519:1.3.101.110", "provider=headgate", kFunctions, "X25519 by the Montgomery ladder"},
      {nullptr, nullptr, nullptr, nullptr}};
  *no_cache = 0;
  return operation == OSSL_OP_KEYMGMT ? kKeyManagers
         : operation == OSSL_OP_KDF   ? tls13_kdf()
                                      : nullptr;
}

// libssl uses a group only with the keys of the provider that says it has the group
// (provider-base(7), "TLS-GROUP" capability).
int capabilities(void* /*provider*/, const char* capability, OSSL_CALLBACK* receiver,
                 void* argument) {
  if (std::strcmp(capability, "TLS-GROUP") != 0) {
    return 0;
  }
  static constexpr unsigned kGroupId = 0x001D;  // RFC 8446, section 4.2.7
  static constexpr unsigned kSecurity = kSecurityBits;
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
                              text(OSSL_CAPABILITY_TLS_GROUP_NAME_INTERNAL, kName),
                              text(OSSL_CAPABILITY_TLS_GROUP_ALG, kName),
                              number(OSSL_CAPABILITY_TLS_GROUP_ID, kGroupId),
                              number(OSSL_CAPABILITY_TLS_GROUP_SECURITY_BITS, kSecurity),
                              version(OSSL_CAPABILITY_TLS_GROUP_MIN_TLS, kMinTls),
                              version(OSSL_CAPABILITY_TLS_GROUP_MAX_TLS, kNoMaximum),
                              version(OSSL_CAPABILITY_TLS_GROUP_MIN_DTLS, kMinDtls),
                              version(OSSL_CAPABILITY_TLS_GROUP_MAX_DTLS, kNoMaximum),
                              OSSL_PARAM_construct_end()};
  return receiver(group, argument);
}

void tear_down(void* provider) {
  delete static_cast<Provider*>(provider);
}

using Clock = std::chrono::steady_clock;

// The shortest of a few, since a busy machine can only make it longer. Zero: it does not work.
template <typename Work>
Clock::duration shortest(Work work) {
  constexpr int kTimes = 8;
  auto best = Clock::duration::max();
  for (int i = 0; i < kTimes; ++i) {
    const auto begun = Clock::now();
    if (!work()) {
      return Clock::duration::zero();
    }
    best = std::min(best, Clock::now() - begun);
  }
  return best;
}

}  // namespace

extern "C" int x25519_provider_init(const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH* in,
                                    const OSSL_DISPATCH** out, void** context) {
  static const OSSL_DISPATCH kFunctions[] = {
      entry(OSSL_FUNC_PROVIDER_TEARDOWN, &tear_down),
      entry(OSSL_FUNC_PROVIDER_QUERY_OPERATION, &query),
      entry(OSSL_FUNC_PROVIDER_GET_CAPABILITIES, &capabilities),
      {0, nullptr}};
  auto* provider = new (std::nothrow) Provider;
  if (provider == nullptr) {
    return 0;
  }
  for (; in->function_id != 0; ++in) {
    if (in->function_id == OSSL_FUNC_CORE_GET_LIBCTX) {
      // For a provider that is built in, the core's context is the library context itself.
      provider->library = reinterpret_cast<OSSL_LIB_CTX*>(OSSL_FUNC_core_get_libctx(in)(handle));
    }
  }
  *out = kFunctions;
  *context = provider;
  return 1;
}

bool x25519_ladder_is_faster() {
  ERR_set_mark();
  const Bytes private_key{1};
  Bytes public_key;
  const auto ladder =
      shortest([&] { return Ladder::of_this_thread().public_key(private_key, public_key); });
  const auto plain =
      shortest([] { return Pkey(EVP_PKEY_Q_keygen(nullptr, nullptr, kName)) != nullptr; });
  ERR_pop_to_mark();
  return ladder != Clock::duration::zero() && ladder < plain;
}

}  // namespace headgate::net
