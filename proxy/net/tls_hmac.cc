#include "net/tls_hmac.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <vector>

#include "net/openssl_functions.h"
#include "net/tls13_hash.h"
#include "net/tls_provider.h"

namespace headgate::net {
namespace {

using Bytes = std::span<const unsigned char>;

// OpenSSL's functions, asked for once.
struct HmacOfOpenSsl {
  const std::vector<OSSL_DISPATCH> all = OpenSslFunctions::own().of(OSSL_OP_MAC, "HMAC");
  OSSL_FUNC_mac_newctx_fn* const make =
      function_of<OSSL_FUNC_mac_newctx_fn>(all, OSSL_FUNC_MAC_NEWCTX);
  OSSL_FUNC_mac_dupctx_fn* const copy =
      function_of<OSSL_FUNC_mac_dupctx_fn>(all, OSSL_FUNC_MAC_DUPCTX);
  OSSL_FUNC_mac_freectx_fn* const free =
      function_of<OSSL_FUNC_mac_freectx_fn>(all, OSSL_FUNC_MAC_FREECTX);
  OSSL_FUNC_mac_init_fn* const begin = function_of<OSSL_FUNC_mac_init_fn>(all, OSSL_FUNC_MAC_INIT);
  OSSL_FUNC_mac_update_fn* const update =
      function_of<OSSL_FUNC_mac_update_fn>(all, OSSL_FUNC_MAC_UPDATE);
  OSSL_FUNC_mac_final_fn* const end = function_of<OSSL_FUNC_mac_final_fn>(all, OSSL_FUNC_MAC_FINAL);
  OSSL_FUNC_mac_get_ctx_params_fn* const get =
      function_of<OSSL_FUNC_mac_get_ctx_params_fn>(all, OSSL_FUNC_MAC_GET_CTX_PARAMS);
  OSSL_FUNC_mac_set_ctx_params_fn* const set =
      function_of<OSSL_FUNC_mac_set_ctx_params_fn>(all, OSSL_FUNC_MAC_SET_CTX_PARAMS);
  OSSL_FUNC_mac_gettable_ctx_params_fn* const gettable =
      function_of<OSSL_FUNC_mac_gettable_ctx_params_fn>(all, OSSL_FUNC_MAC_GETTABLE_CTX_PARAMS);
  OSSL_FUNC_mac_settable_ctx_params_fn* const settable =
      function_of<OSSL_FUNC_mac_settable_ctx_params_fn>(all, OSSL_FUNC_MAC_SETTABLE_CTX_PARAMS);

  static const HmacOfOpenSsl& own() {
    static const HmacOfOpenSsl functions;
    return functions;
  }

  [[nodiscard]] bool usable() const {
    return make != nullptr && copy != nullptr && free != nullptr && begin != nullptr &&
           update != nullptr && end != nullptr && get != nullptr && set != nullptr &&
           gettable != nullptr && settable != nullptr;
  }
};

// Bytes that are kept here as long as they are few; wipes itself.
template <std::size_t kMost>
class ShortBytes {
 public:
  ShortBytes() = default;
  ShortBytes(const ShortBytes& other) { append(other.view()); }
  ShortBytes& operator=(const ShortBytes&) = delete;
  ~ShortBytes() { clear(); }

  // False: too many; nothing changed.
  bool append(Bytes more) {
    if (more.size() > kMost - size_) {
      return false;
    }
    std::ranges::copy(more, bytes_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += more.size();
    return true;
  }
  void clear() {
    OPENSSL_cleanse(bytes_.data(), size_);
    size_ = 0;
  }
  [[nodiscard]] Bytes view() const { return Bytes(bytes_).first(size_); }

 private:
  std::array<unsigned char, kMost> bytes_;
  std::size_t size_ = 0;
};

// What provider-mac(7) asks of a MAC.
class Hmac {
 public:
  bool set(const OSSL_PARAM params[]);
  // Without a key: anew with that of before.
  bool begin(const unsigned char* key, std::size_t size, const OSSL_PARAM params[]);
  bool update(Bytes more);
  bool end(unsigned char* out, std::size_t* size, std::size_t room);
  bool get(OSSL_PARAM params[]);

  Hmac() = default;
  Hmac(const Hmac& other)
      : hash_(other.hash_), has_key_(other.has_key_), key_(other.key_), message_(other.message_) {
    if (other.openssl_ != nullptr) {
      openssl_.reset(HmacOfOpenSsl::own().copy(other.openssl_.get()));
      whole_ = openssl_ != nullptr;
    }
  }
  Hmac& operator=(const Hmac&) = delete;
  ~Hmac() = default;
  // False: what was copied is not to be used.
  [[nodiscard]] bool whole() const { return whole_; }

 private:
  struct FreeOpenSsl {
    void operator()(void* context) const { HmacOfOpenSsl::own().free(context); }
  };
  // The largest that needs no hashing of its own; and what a ticket or a Finished comes to.
  static constexpr std::size_t kLongestKey = 64;
  static constexpr std::size_t kLongestMessage = 1024;

  // Ours to deal with: the hash by a name that we know, and what makes no difference here.
  [[nodiscard]] bool is_ours(const OSSL_PARAM& param) const {
    const std::string_view name(param.key);
    if (name != OSSL_MAC_PARAM_DIGEST) {
      return name == OSSL_MAC_PARAM_PROPERTIES;
    }
    const Tls13Hash* const hash = hash_of(param);
    return hash != nullptr && (hash->name() == hash_ || !has_key_);
  }
  static Tls13Hash* hash_of(const OSSL_PARAM& param) {
    return param.data_type == OSSL_PARAM_UTF8_STRING && param.data != nullptr
               ? Tls13Hash::of_this_thread(static_cast<const char*>(param.data))
               : nullptr;
  }

  // null: none was named, or this thread has no memory for it.
  [[nodiscard]] Tls13Hash* hash() const {
    return hash_ != nullptr ? Tls13Hash::of_this_thread(hash_) : nullptr;
  }

  // From here on; it is told all that was said so far.
  bool leave_to_openssl();

  const char* hash_ = nullptr;  // its name(), which any thread knows it by
  bool whole_ = true;
  bool has_key_ = false;
  ShortBytes<kLongestKey> key_;
  ShortBytes<kLongestMessage> message_;
  std::unique_ptr<void, FreeOpenSsl> openssl_;  // does all of it, where it is there
};

bool Hmac::set(const OSSL_PARAM params[]) {
  for (const OSSL_PARAM* param = params; param != nullptr && param->key != nullptr; ++param) {
    if (openssl_ != nullptr || !is_ours(*param)) {
      return leave_to_openssl() && HmacOfOpenSsl::own().set(openssl_.get(), params) == 1;
    }
  }
  for (const OSSL_PARAM* param = params; param != nullptr && param->key != nullptr; ++param) {
    if (std::string_view(param->key) == OSSL_MAC_PARAM_DIGEST) {
      hash_ = hash_of(*param)->name();
    }
  }
  return true;
}

bool Hmac::begin(const unsigned char* key, std::size_t size, const OSSL_PARAM params[]) {
  if (!set(params)) {
    return false;
  }
  message_.clear();
  if (openssl_ == nullptr && key != nullptr) {
    key_.clear();
    has_key_ = key_.append({key, size});
  }
  if (openssl_ == nullptr && hash_ != nullptr && has_key_) {
    return true;
  }
  return leave_to_openssl() && HmacOfOpenSsl::own().begin(openssl_.get(), key, size, nullptr) == 1;
}

bool Hmac::update(Bytes more) {
  if (openssl_ == nullptr && message_.append(more)) {
    return true;
  }
  return leave_to_openssl() &&
         HmacOfOpenSsl::own().update(openssl_.get(), more.data(), more.size()) == 1;
}

bool Hmac::end(unsigned char* out, std::size_t* size, std::size_t room) {
  if (openssl_ != nullptr) {
    return HmacOfOpenSsl::own().end(openssl_.get(), out, size, room) == 1;
  }
  Tls13Hash* const hash = this->hash();
  if (hash == nullptr || !has_key_ || room < hash->size()) {
    return false;
  }
  Tls13Hash::Block made;
  const bool done = hash->hmac(key_.view(), {message_.view()}, made);
  if (done) {
    std::copy_n(made.begin(), hash->size(), out);
    *size = hash->size();
  }
  OPENSSL_cleanse(made.data(), made.size());
  return done;
}

bool Hmac::get(OSSL_PARAM params[]) {
  const Tls13Hash* const hash = this->hash();
  if (hash == nullptr && !leave_to_openssl()) {
    return false;
  }
  if (openssl_ != nullptr) {
    return HmacOfOpenSsl::own().get(openssl_.get(), params) == 1;
  }
  OSSL_PARAM* const size = OSSL_PARAM_locate(params, OSSL_MAC_PARAM_SIZE);
  OSSL_PARAM* const block = OSSL_PARAM_locate(params, OSSL_MAC_PARAM_BLOCK_SIZE);
  return (size == nullptr || OSSL_PARAM_set_size_t(size, hash->size()) == 1) &&
         (block == nullptr || OSSL_PARAM_set_size_t(block, hash->block_size()) == 1);
}

bool Hmac::leave_to_openssl() {
  if (openssl_ != nullptr) {
    return true;
  }
  const auto& functions = HmacOfOpenSsl::own();
  openssl_.reset(functions.make(OpenSslFunctions::own().context()));
  bool done = openssl_ != nullptr;
  if (hash_ != nullptr) {
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, const_cast<char*>(hash_), 0),
        OSSL_PARAM_construct_end()};
    done = done && functions.set(openssl_.get(), params) == 1;
    if (has_key_) {
      const Bytes key = key_.view();
      const Bytes message = message_.view();
      done = done && functions.begin(openssl_.get(), key.data(), key.size(), nullptr) == 1 &&
             functions.update(openssl_.get(), message.data(), message.size()) == 1;
    }
  }
  key_.clear();
  message_.clear();
  return done;
}

// The same as functions, which OpenSSL calls.
struct Calls {
  static Hmac& self(void* of) { return *static_cast<Hmac*>(of); }
  static void* make(void* /*library*/) { return new (std::nothrow) Hmac; }
  static void* copy(void* of) {
    std::unique_ptr<Hmac> made(new (std::nothrow) Hmac(self(of)));
    return made != nullptr && made->whole() ? made.release() : nullptr;
  }
  static void free(void* of) { delete &self(of); }
  static int begin(void* of, const unsigned char* key, std::size_t size,
                   const OSSL_PARAM params[]) {
    return self(of).begin(key, size, params) ? 1 : 0;
  }
  static int update(void* of, const unsigned char* data, std::size_t size) {
    return self(of).update({data, size}) ? 1 : 0;
  }
  static int end(void* of, unsigned char* out, std::size_t* size, std::size_t room) {
    return self(of).end(out, size, room) ? 1 : 0;
  }
  static int set(void* of, const OSSL_PARAM params[]) { return self(of).set(params) ? 1 : 0; }
  static const OSSL_PARAM* settable(void* /*context*/, void* /*library*/) {
    return HmacOfOpenSsl::own().settable(nullptr, OpenSslFunctions::own().context());
  }
  static int get(void* of, OSSL_PARAM params[]) { return self(of).get(params) ? 1 : 0; }
  static const OSSL_PARAM* gettable(void* /*context*/, void* /*library*/) {
    return HmacOfOpenSsl::own().gettable(nullptr, OpenSslFunctions::own().context());
  }
};

}  // namespace

const OSSL_ALGORITHM* tls_hmac() {
  static const OSSL_DISPATCH kFunctions[] = {
      dispatch_entry(OSSL_FUNC_MAC_NEWCTX, &Calls::make),
      dispatch_entry(OSSL_FUNC_MAC_DUPCTX, &Calls::copy),
      dispatch_entry(OSSL_FUNC_MAC_FREECTX, &Calls::free),
      dispatch_entry(OSSL_FUNC_MAC_INIT, &Calls::begin),
      dispatch_entry(OSSL_FUNC_MAC_UPDATE, &Calls::update),
      dispatch_entry(OSSL_FUNC_MAC_FINAL, &Calls::end),
      dispatch_entry(OSSL_FUNC_MAC_SET_CTX_PARAMS, &Calls::set),
      dispatch_entry(OSSL_FUNC_MAC_SETTABLE_CTX_PARAMS, &Calls::settable),
      dispatch_entry(OSSL_FUNC_MAC_GET_CTX_PARAMS, &Calls::get),
      dispatch_entry(OSSL_FUNC_MAC_GETTABLE_CTX_PARAMS, &Calls::gettable),
      {0, nullptr}};
  static const OSSL_ALGORITHM kAlgorithms[] = {
      {"HMAC", "provider=headgate", kFunctions, "OpenSSL's HMAC, quicker where it is short"},
      {nullptr, nullptr, nullptr, nullptr}};
  return HmacOfOpenSsl::own().usable() ? kAlgorithms : nullptr;
}

}  // namespace headgate::net
