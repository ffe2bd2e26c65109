#include "net/tls13_hash.h"

#include <openssl/crypto.h>

#include <algorithm>

namespace headgate::net {
namespace {

constexpr std::size_t kLargestBlock = 128;  // SHA-384's
using Pad = std::array<unsigned char, kLargestBlock>;

void turn(Pad& pad, unsigned char by) {
  for (unsigned char& byte : pad) {
    byte ^= by;
  }
}

}  // namespace

Tls13Hash::Tls13Hash(const char* name)
    : name_(name), algorithm_(EVP_MD_fetch(nullptr, name, nullptr)), context_(EVP_MD_CTX_new()) {
  if (algorithm_) {
    size_ = static_cast<std::size_t>(EVP_MD_get_size(algorithm_.get()));
    block_ = static_cast<std::size_t>(EVP_MD_get_block_size(algorithm_.get()));
  }
}

Tls13Hash* Tls13Hash::of_this_thread(std::string_view name) {
  static constexpr const char* kSha256 = "SHA2-256";
  static constexpr const char* kSha384 = "SHA2-384";
  static thread_local Tls13Hash sha256(kSha256);
  static thread_local Tls13Hash sha384(kSha384);
  Tls13Hash* const found = name == kSha256 || name == "SHA256"   ? &sha256
                           : name == kSha384 || name == "SHA384" ? &sha384
                                                                 : nullptr;
  return found != nullptr && found->size_ != 0 && found->context_ ? found : nullptr;
}

bool Tls13Hash::digest(std::initializer_list<Bytes> parts, Block& out) {
  bool done = EVP_DigestInit_ex2(context_.get(), algorithm_.get(), nullptr) == 1;
  for (const Bytes part : parts) {
    done = done && EVP_DigestUpdate(context_.get(), part.data(), part.size()) == 1;
  }
  return done && EVP_DigestFinal_ex(context_.get(), out.data(), nullptr) == 1;
}

bool Tls13Hash::hmac(Bytes key, std::initializer_list<Bytes> message, Block& out) {
  Pad pad{};
  Block inner{};
  bool done = true;
  if (key.size() <= block_) {
    std::ranges::copy(key, pad.begin());
  } else {
    done = digest({key}, inner);
    std::copy_n(inner.begin(), size_, pad.begin());
  }
  turn(pad, 0x36);
  done = done && EVP_DigestInit_ex2(context_.get(), algorithm_.get(), nullptr) == 1 &&
         EVP_DigestUpdate(context_.get(), pad.data(), block_) == 1;
  for (const Bytes part : message) {
    done = done && EVP_DigestUpdate(context_.get(), part.data(), part.size()) == 1;
  }
  done = done && EVP_DigestFinal_ex(context_.get(), inner.data(), nullptr) == 1;
  turn(pad, 0x36 ^ 0x5c);
  done = done && digest({Bytes(pad).first(block_), Bytes(inner).first(size_)}, out);
  OPENSSL_cleanse(pad.data(), pad.size());
  OPENSSL_cleanse(inner.data(), inner.size());
  return done;
}

}  // namespace headgate::net
