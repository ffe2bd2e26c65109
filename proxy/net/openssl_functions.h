#pragma once

#include <openssl/core.h>

#include <span>
#include <string_view>
#include <vector>

namespace headgate::net {

// OpenSSL's "default" provider in the default library context, where our provider is not: for the
// functions of it that ours calls and hands on.
class OpenSslFunctions {
 public:
  static const OpenSslFunctions& own();

  // What its functions take as the provider's context; null: there is no such provider.
  [[nodiscard]] void* context() const { return context_; }
  // The functions of an algorithm by the first of its names, without the mark of the end. Empty: it
  // has none.
  [[nodiscard]] std::vector<OSSL_DISPATCH> of(int operation, std::string_view name) const;

 private:
  OpenSslFunctions();

  OSSL_PROVIDER* const provider_;  // for the life of the process
  void* context_ = nullptr;
};

// The one of `functions` with that id; null: it is not among them. `Function` is what
// core_dispatch.h calls the id's type: OSSL_FUNC_mac_init_fn for OSSL_FUNC_MAC_INIT.
template <typename Function>
Function* function_of(std::span<const OSSL_DISPATCH> functions, int id) {
  for (const OSSL_DISPATCH& one : functions) {
    if (one.function_id == id) {
      return reinterpret_cast<Function*>(one.function);
    }
  }
  return nullptr;
}

}  // namespace headgate::net
