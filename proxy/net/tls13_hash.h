#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string_view>

#include "base/c_ptr.h"

namespace headgate::net {

// The hashes of TLS 1.3's cipher suites (RFC 8446, appendix B.4), SHA-256 and SHA-384, with room to
// work with them: OpenSSL's own, looked up once a thread, in the default library context, where our
// provider is not.
class Tls13Hash {
 public:
  using Bytes = std::span<const unsigned char>;
  // Room for the larger one; the first size() bytes count.
  using Block = std::array<unsigned char, EVP_MAX_MD_SIZE>;

  // By the names that libssl and EVP_MD_get0_name() use; null: another hash, or none.
  static Tls13Hash* of_this_thread(std::string_view name);

  // "SHA2-256"; the same characters for all threads.
  [[nodiscard]] const char* name() const { return name_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t block_size() const { return block_; }

  // Of the parts one behind the other. False: OpenSSL failed.
  bool digest(std::initializer_list<Bytes> parts, Block& out);
  // RFC 2104. False: OpenSSL failed.
  bool hmac(Bytes key, std::initializer_list<Bytes> message, Block& out);

 private:
  explicit Tls13Hash(const char* name);

  const char* const name_;
  const CPtr<EVP_MD, EVP_MD_free> algorithm_;
  const CPtr<EVP_MD_CTX, EVP_MD_CTX_free> context_;
  std::size_t size_ = 0;
  std::size_t block_ = 0;
};

}  // namespace headgate::net
