#include "net/tls13_kdf.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <new>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/c_ptr.h"
#include "base/secret.h"
#include "net/handshake_tap.h"
#include "net/tls13_hash.h"
#include "net/tls_provider.h"

namespace headgate::net {
namespace {

using Bytes = std::span<const unsigned char>;
using Block = Tls13Hash::Block;

// RFC 8446 section 7.1: HkdfLabel's label and context.
constexpr std::size_t kMaxField = 255;
constexpr std::string_view kLabelPrefix = "tls13 ";

// What a key is made of; borrowed.
struct Inputs {
  int mode = EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND;  // which TLS 1.3 does not use
  Tls13Hash* hash = nullptr;
  std::optional<Bytes> key;
  std::optional<Bytes> salt;
  Bytes prefix;
  Bytes label;
  Bytes data;
};

// RFC 8446 section 7.1: HKDF-Expand-Label.
bool expand(const Inputs& inputs, Bytes secret, Bytes data, std::span<unsigned char> out) {
  const std::size_t named = inputs.prefix.size() + inputs.label.size();
  Tls13Hash& hash = *inputs.hash;
  if (named > kMaxField || data.size() > kMaxField || out.size() > kMaxField * hash.size()) {
    return false;
  }
  const std::array<unsigned char, 3> head{static_cast<unsigned char>(out.size() >> 8),
                                          static_cast<unsigned char>(out.size() & 0xff),
                                          static_cast<unsigned char>(named)};
  const std::array<unsigned char, 1> data_size{static_cast<unsigned char>(data.size())};
  Block last{};
  bool done = true;
  for (std::size_t made = 0, round = 1; done && made < out.size(); ++round) {
    const std::array<unsigned char, 1> number{static_cast<unsigned char>(round)};
    const Bytes before = Bytes(last).first(round == 1 ? 0 : hash.size());
    Block next{};
    done = hash.hmac(secret, {before, head, inputs.prefix, inputs.label, data_size, data, number},
                     next);
    const std::size_t some = std::min(hash.size(), out.size() - made);
    std::copy_n(next.begin(), some, out.begin() + static_cast<std::ptrdiff_t>(made));
    made += some;
    last = next;
    OPENSSL_cleanse(next.data(), next.size());
  }
  OPENSSL_cleanse(last.data(), last.size());
  return done;
}

// The next of the three secrets of RFC 8446 section 7.1, from the one before it (salt; none: the
// first) and what is new (key; none: nothing).
bool extract(const Inputs& inputs, std::span<unsigned char> out) {
  static constexpr Block kZeros{};
  Tls13Hash& hash = *inputs.hash;
  const Bytes zeros = Bytes(kZeros).first(hash.size());
  Block derived{};
  bool done = out.size() == hash.size();
  if (inputs.salt) {
    Block of_nothing{};
    done = done && hash.digest({}, of_nothing) &&
           expand(inputs, *inputs.salt, Bytes(of_nothing).first(hash.size()),
                  std::span(derived).first(hash.size()));
  }
  Block made{};
  done = done && hash.hmac(Bytes(derived).first(hash.size()), {inputs.key.value_or(zeros)}, made);
  if (done) {
    std::copy_n(made.begin(), out.size(), out.begin());
  }
  OPENSSL_cleanse(derived.data(), derived.size());
  OPENSSL_cleanse(made.data(), made.size());
  return done;
}

// What provider-kdf(7) asks of a KDF.
struct Kdf {
  // Parameters that were set before derive(); libssl sets all of them there.
  struct Context {
    int mode = EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND;
    Tls13Hash* hash = nullptr;
    std::optional<Secret> key;
    std::optional<Secret> salt;
    Secret prefix;
    Secret label;
    Secret data;
  };

  static void* make(void* /*provider*/) { return new (std::nothrow) Context; }
  static void free(void* context) { delete static_cast<Context*>(context); }
  static void reset(void* context) { *static_cast<Context*>(context) = Context(); }

  static Bytes view(const Secret& secret) {
    const std::string_view bytes = secret.view();
    return {reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()};
  }

  // Null where the parameter is of another type.
  static std::optional<Bytes> octets(const OSSL_PARAM& param) {
    if (param.data_type != OSSL_PARAM_OCTET_STRING) {
      return std::nullopt;
    }
    return Bytes(static_cast<const unsigned char*>(param.data),
                 param.data != nullptr ? param.data_size : 0);
  }

  static bool set_mode(const OSSL_PARAM& param, int& mode) {
    if (param.data_type != OSSL_PARAM_UTF8_STRING) {
      return OSSL_PARAM_get_int(&param, &mode) == 1;
    }
    const std::string_view name(static_cast<const char*>(param.data));
    mode = name == "EXTRACT_ONLY"  ? EVP_KDF_HKDF_MODE_EXTRACT_ONLY
           : name == "EXPAND_ONLY" ? EVP_KDF_HKDF_MODE_EXPAND_ONLY
                                   : EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND;
    return true;
  }

  static bool take(const OSSL_PARAM params[], Inputs& inputs) {
    for (const OSSL_PARAM* param = params; param != nullptr && param->key != nullptr; ++param) {
      const std::string_view name(param->key);
      bool good = true;
      if (name == OSSL_KDF_PARAM_MODE) {
        good = set_mode(*param, inputs.mode);
      } else if (name == OSSL_KDF_PARAM_DIGEST) {
        inputs.hash = param->data_type == OSSL_PARAM_UTF8_STRING
                          ? Tls13Hash::of_this_thread(static_cast<const char*>(param->data))
                          : nullptr;
        good = inputs.hash != nullptr;
      } else if (name == OSSL_KDF_PARAM_KEY) {
        good = (inputs.key = octets(*param)).has_value();
      } else if (name == OSSL_KDF_PARAM_SALT) {
        good = (inputs.salt = octets(*param)).has_value();
      } else if (name == OSSL_KDF_PARAM_PREFIX || name == OSSL_KDF_PARAM_LABEL ||
                 name == OSSL_KDF_PARAM_DATA) {
        const auto bytes = octets(*param);
        good = bytes.has_value();
        (name == OSSL_KDF_PARAM_PREFIX  ? inputs.prefix
         : name == OSSL_KDF_PARAM_LABEL ? inputs.label
                                        : inputs.data) = bytes.value_or(Bytes());
      }
      if (!good) {
        return false;
      }
    }
    return true;
  }

  static Inputs inputs_of(const Context& context) {
    Inputs inputs{.mode = context.mode, .hash = context.hash};
    if (context.key) {
      inputs.key = view(*context.key);
    }
    if (context.salt) {
      inputs.salt = view(*context.salt);
    }
    inputs.prefix = view(context.prefix);
    inputs.label = view(context.label);
    inputs.data = view(context.data);
    return inputs;
  }

  static int derive(void* of, unsigned char* key, std::size_t size, const OSSL_PARAM params[]) {
    Inputs inputs = inputs_of(*static_cast<const Context*>(of));
    if (!take(params, inputs) || inputs.hash == nullptr) {
      return 0;
    }
    const std::span<unsigned char> out(key, size);
    switch (inputs.mode) {
      case EVP_KDF_HKDF_MODE_EXTRACT_ONLY:
        return extract(inputs, out) ? 1 : 0;
      case EVP_KDF_HKDF_MODE_EXPAND_ONLY:
        if (!inputs.key || !expand(inputs, *inputs.key, inputs.data, out)) {
          return 0;
        }
        HandshakeTap::hear(inputs.label, out);
        return 1;
      default:
        return 0;
    }
  }

  static Secret copy(Bytes bytes) {
    return Secret(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }

  static int set(void* of, const OSSL_PARAM params[]) {
    auto& context = *static_cast<Context*>(of);
    const Inputs before = inputs_of(context);
    Inputs inputs = before;
    if (!take(params, inputs)) {
      return 0;
    }
    Context fresh;
    fresh.mode = inputs.mode;
    fresh.hash = inputs.hash;
    fresh.key = inputs.key ? std::optional(copy(*inputs.key)) : std::nullopt;
    fresh.salt = inputs.salt ? std::optional(copy(*inputs.salt)) : std::nullopt;
    fresh.prefix = copy(inputs.prefix);
    fresh.label = copy(inputs.label);
    fresh.data = copy(inputs.data);
    context = std::move(fresh);
    return 1;
  }
  static const OSSL_PARAM* settable(void* /*context*/, void* /*provider*/) {
    static const OSSL_PARAM kParams[] = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, nullptr),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, nullptr, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, nullptr, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, nullptr, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PREFIX, nullptr, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_LABEL, nullptr, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_DATA, nullptr, 0),
        OSSL_PARAM_construct_end()};
    return kParams;
  }

  // How much a key may have: no limit of its own, or the hash's size.
  static int get(void* of, OSSL_PARAM params[]) {
    const auto& context = *static_cast<Context*>(of);
    OSSL_PARAM* const size = OSSL_PARAM_locate(params, OSSL_KDF_PARAM_SIZE);
    const bool extracts = context.mode != EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    return size == nullptr ||
                   OSSL_PARAM_set_size_t(size, extracts && context.hash != nullptr
                                                   ? context.hash->size()
                                                   : std::numeric_limits<std::size_t>::max()) == 1
               ? 1
               : 0;
  }
  static const OSSL_PARAM* gettable(void* /*context*/, void* /*provider*/) {
    static const OSSL_PARAM kParams[] = {OSSL_PARAM_construct_size_t(OSSL_KDF_PARAM_SIZE, nullptr),
                                         OSSL_PARAM_construct_end()};
    return kParams;
  }
};

const OSSL_DISPATCH kFunctions[] = {
    dispatch_entry(OSSL_FUNC_KDF_NEWCTX, &Kdf::make),
    dispatch_entry(OSSL_FUNC_KDF_FREECTX, &Kdf::free),
    dispatch_entry(OSSL_FUNC_KDF_RESET, &Kdf::reset),
    dispatch_entry(OSSL_FUNC_KDF_DERIVE, &Kdf::derive),
    dispatch_entry(OSSL_FUNC_KDF_SET_CTX_PARAMS, &Kdf::set),
    dispatch_entry(OSSL_FUNC_KDF_SETTABLE_CTX_PARAMS, &Kdf::settable),
    dispatch_entry(OSSL_FUNC_KDF_GET_CTX_PARAMS, &Kdf::get),
    dispatch_entry(OSSL_FUNC_KDF_GETTABLE_CTX_PARAMS, &Kdf::gettable),
    {0, nullptr}};

}  // namespace

const OSSL_ALGORITHM* tls13_kdf() {
  static const OSSL_ALGORITHM kAlgorithms[] = {
      {"TLS13-KDF", "provider=headgate", kFunctions, "the key schedule of TLS 1.3"},
      {nullptr, nullptr, nullptr, nullptr}};
  return kAlgorithms;
}

bool hkdf_expand_label(std::size_t hash_size, std::span<const unsigned char> secret,
                       std::string_view label, std::span<unsigned char> out) {
  Tls13Hash* const hash = hash_size == 32   ? Tls13Hash::of_this_thread("SHA256")
                          : hash_size == 48 ? Tls13Hash::of_this_thread("SHA384")
                                            : nullptr;
  if (hash == nullptr) {
    return false;
  }
  const auto bytes = [](std::string_view text) {
    return Bytes(reinterpret_cast<const unsigned char*>(text.data()), text.size());
  };
  return expand({.hash = hash, .prefix = bytes(kLabelPrefix), .label = bytes(label)}, secret, {},
                out);
}

}  // namespace headgate::net
