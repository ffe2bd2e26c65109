#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "net/handshake_tap.h"
#include "net/record_cipher.h"

struct ssl_st;

namespace headgate::net {

// Plain text of the largest TLS record (RFC 8446 section 5.1).
inline constexpr std::size_t kMaxRecord = 16384;

// The record protocol of TLS 1.3 (RFC 8446 section 5) for a connection whose handshake OpenSSL has
// done: framing, sequence numbers and key updates are ours, the ciphers a library's. What it saves
// is all that OpenSSL keeps and touches for a connection beside its keys: 10 KB of memory
// (docs/performance.md), a copy of every byte, and half of the instructions of a NOOP
// (bench/micro, relay_tls_noop with OpenSSL's ciphers: 15,331 before, 7,755 with this).
//
// Knows no socket. A failure is final: after it only the alert it names may be sent.
class RecordProtocol {
 public:
  // RFC 8446 section 5.1: ContentType.
  enum class Content : std::uint8_t { kAlert = 21, kHandshake = 22, kApplicationData = 23 };
  // What sealing adds to plain text: header, content type, tag.
  static constexpr std::size_t kOverhead = 5 + 1 + 16;
  static constexpr std::size_t kUpdateSize = kOverhead + 5;

  // Takes over from OpenSSL, between two records in both directions, when `ssl` speaks TLS 1.3 with
  // a suite we know and `tap` has heard all of it; null, and nothing has changed, where not.
  static std::unique_ptr<RecordProtocol> take_over(ssl_st* ssl, const HandshakeTap& tap);
  // For tests and peers that know their secrets. `suite`: 0x1301 AES-128-GCM, 0x1302 AES-256-GCM,
  // 0x1303 ChaCha20-Poly1305. null: another suite, secrets of a wrong size, or no memory.
  static std::unique_ptr<RecordProtocol> create(std::uint16_t suite, bool server,
                                                const TrafficSecret& ours,
                                                const TrafficSecret& theirs);
  ~RecordProtocol();
  RecordProtocol(const RecordProtocol&) = delete;
  RecordProtocol& operator=(const RecordProtocol&) = delete;

  enum class Outcome : std::uint8_t {
    kData,        // `plain` bytes at `text`; may be none (an empty record, a message that is ours)
    kIncomplete,  // more input is needed, nothing was used
    kClosed,      // close_notify
    kFailed,      // see error(); the alert is to be sent
  };
  struct Opened {
    Outcome outcome = Outcome::kIncomplete;
    std::size_t used = 0;  // bytes of the input
    const char* text = nullptr;
    std::size_t plain = 0;
  };
  // Opens the first record of `input`. The plain text goes to `into` where that is large enough for
  // all that the record may hold, and over the record itself otherwise; `text` says where it is.
  Opened open(std::span<char> input, std::span<char> into);

  // Writes one record with `plain`, at most kMaxRecord bytes, to `out`, which has room for
  // kOverhead more. Returns its size; 0 when the cipher failed, which ends the connection.
  std::size_t seal(Content content, std::string_view plain, char* out);

  // True: seal_update() has to come before the next data, because the peer has asked for it (RFC
  // 8446 section 4.6.3) or because the keys have protected enough (section 5.5).
  [[nodiscard]] bool update_due() const;
  // Writes a KeyUpdate of kUpdateSize bytes to `out`, and goes on with new keys. 0: as of seal().
  std::size_t seal_update(char* out);

  // What is left to say: the alert that goes with kFailed, close_notify while nothing has failed;
  // or nothing, where it was the peer that sent an alert.
  [[nodiscard]] std::string_view alert() const {
    return alert_told_ ? std::string_view() : std::string_view(alert_.data(), alert_.size());
  }
  [[nodiscard]] bool closed() const { return closed_; }
  [[nodiscard]] const char* error() const { return error_; }  // null: none
  [[nodiscard]] bool resumed() const { return resumed_; }
  [[nodiscard]] std::string_view cipher() const { return cipher_; }  // "TLS_AES_128_GCM_SHA256"

 private:
  struct Suite;
  struct Direction {
    std::unique_ptr<RecordCipher> cipher;
    TrafficSecret secret;
    RecordCipher::Nonce iv{};
  };
  RecordProtocol(const Suite& suite, bool server) : suite_(suite), server_(server) {}
  bool begin(Direction& direction, const TrafficSecret& secret, RecordCipher::Use use);
  bool next_keys(Direction& direction);
  bool decrypt(std::span<const char> record, char* out);
  Opened take(std::span<const char> content, std::size_t used);
  Opened take_alert(std::string_view alert, std::size_t used);
  Opened take_handshake(std::string_view messages, std::size_t used);
  Opened fail(unsigned char alert, const char* why);

  const Suite& suite_;
  Direction ours_;
  Direction theirs_;
  std::string_view cipher_;
  const char* error_ = nullptr;
  std::array<char, 2> alert_{1, 0};  // warning, close_notify
  std::uint8_t empty_in_a_row_ = 0;
  bool server_;
  bool resumed_ = false;
  bool closed_ = false;
  bool update_asked_ = false;
  bool alert_told_ = false;
};

}  // namespace headgate::net
