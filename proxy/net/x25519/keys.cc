#include "net/x25519/keys.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <new>
#include <vector>

#include "net/tls_provider.h"
#include "net/x25519/fresh_pairs.h"
#include "net/x25519/openssl.h"

namespace headgate::net {
namespace {

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
      return X25519OfOpenSsl::own().new_key();  // parameters alone: there are none
    }
    X25519Pair pair;
    return fresh_pairs_of_this_thread().take(what.context, pair)
               ? X25519OfOpenSsl::own().key(pair.private_key, pair.public_key).release()
               : nullptr;
  }
  static void end(void* generation) { delete static_cast<Generation*>(generation); }
};

void* new_key(void* /*library*/) {
  return X25519OfOpenSsl::own().new_key();
}

void* new_exchange(void* /*library*/) {
  return X25519OfOpenSsl::own().new_exchange();
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
  std::ranges::copy_if(X25519OfOpenSsl::own().key_functions(), std::back_inserter(table),
                       [](const OSSL_DISPATCH& entry) { return works_on_keys(entry.function_id); });
  table.push_back({0, nullptr});
  return table;
}

std::vector<OSSL_DISPATCH> exchange() {
  std::vector<OSSL_DISPATCH> table{dispatch_entry(OSSL_FUNC_KEYEXCH_NEWCTX, &new_exchange)};
  std::ranges::copy_if(
      X25519OfOpenSsl::own().exchange_functions(), std::back_inserter(table),
      [](const OSSL_DISPATCH& entry) { return entry.function_id != OSSL_FUNC_KEYEXCH_NEWCTX; });
  table.push_back({0, nullptr});
  return table;
}

}  // namespace

const OSSL_ALGORITHM* x25519_key_managers() {
  static const std::vector<OSSL_DISPATCH> kFunctions = key_manager();
  static const OSSL_ALGORITHM kAlgorithms[] = {
      {kX25519Names, kX25519Properties, kFunctions.data(), "OpenSSL's keys, generated faster"},
      {nullptr, nullptr, nullptr, nullptr}};
  return X25519OfOpenSsl::own().usable() ? kAlgorithms : nullptr;
}

const OSSL_ALGORITHM* x25519_exchanges() {
  static const std::vector<OSSL_DISPATCH> kFunctions = exchange();
  static const OSSL_ALGORITHM kAlgorithms[] = {
      {kX25519Names, kX25519Properties, kFunctions.data(), "OpenSSL's exchange, for these keys"},
      {nullptr, nullptr, nullptr, nullptr}};
  return X25519OfOpenSsl::own().usable() ? kAlgorithms : nullptr;
}

}  // namespace headgate::net
