#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace headgate::net {

// The AEAD that protects the records of one direction of a TLS 1.3 connection (RFC 8446 section
// 5.2), and its key, which goes with it. Nonces are the caller's business.
class RecordCipher {
 public:
  // RFC 8446 appendix B.4. What a key is long: 16 bytes, 32, 32.
  enum class Suite : std::uint16_t {
    kAes128Gcm = 0x1301,
    kAes256Gcm = 0x1302,
    kChaCha20Poly1305 = 0x1303,
  };
  enum class Use : std::uint8_t { kSeal, kOpen };
  using Nonce = std::array<unsigned char, 12>;
  using Header = std::span<const char, 5>;  // authenticated with the record
  static constexpr std::size_t kTag = 16;

  // By the library that is faster here. null: no such suite, a key of another size, no memory.
  static std::unique_ptr<RecordCipher> create(Suite suite, Use use,
                                              std::span<const unsigned char> key);

  RecordCipher() = default;
  virtual ~RecordCipher() = default;
  RecordCipher(const RecordCipher&) = delete;
  RecordCipher& operator=(const RecordCipher&) = delete;

  // From now on with `key`, of the size of the one before. False: the cipher failed.
  virtual bool set_key(std::span<const unsigned char> key) = 0;
  // Writes `text`, what follows it and the tag to `out`, which may be where `text` is. False: the
  // cipher failed.
  virtual bool seal(const Nonce& nonce, Header header, std::string_view text,
                    std::string_view following, char* out) = 0;
  // Writes what `sealed`, at least kTag bytes, holds in front of its tag to `out`, which may be
  // where `sealed` is. False, and `out` means nothing: the tag is another one, or the cipher
  // failed.
  virtual bool open(const Nonce& nonce, Header header, std::string_view sealed, char* out) = 0;
};

// OpenSSL's, for all suites.
std::unique_ptr<RecordCipher> openssl_record_cipher(RecordCipher::Suite suite,
                                                    RecordCipher::Use use,
                                                    std::span<const unsigned char> key);

// AES-GCM of Intel's ipsec-mb library, which has neither names nor parameters to look up and uses
// the vector instructions that OpenSSL before 3.1 does not know: 0.04 µs for a record of 64 bytes
// where OpenSSL 3.0 takes 0.22, 1.0 for one of 16 KiB where it takes 2.5. In turns with OpenSSL's
// (docs/performance.md) a bulk FETCH took 0.8 of the CPU time.
// null: another suite, a build or a processor without it, or as of create().
std::unique_ptr<RecordCipher> ipsec_mb_record_cipher(RecordCipher::Suite suite,
                                                     std::span<const unsigned char> key);

// Its name and version; empty where ipsec_mb_record_cipher() has none.
const char* ipsec_mb_library();

// What create() takes AES-GCM from on this machine: ipsec_mb_library() where that is faster and
// makes the same bytes, which is tried once, in less than a millisecond, and "OpenSSL" otherwise.
const char* record_cipher_library();

}  // namespace headgate::net
