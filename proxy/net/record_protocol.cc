#include "net/record_protocol.h"

#include <openssl/crypto.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "net/tls13_kdf.h"

namespace headgate::net {
namespace {

constexpr std::size_t kHeader = 5;
constexpr std::size_t kTag = RecordCipher::kTag;
// RFC 8446 section 5.2: what a record may be longer than its plain text.
constexpr std::size_t kMaxExpansion = 256;
// RFC 8446 section 5.5 allows AES-GCM 2^24.5 full records with one key.
constexpr std::uint64_t kRecordsByKey = std::uint64_t{1} << 24;
// In a row; each costs the peer next to nothing.
constexpr std::uint8_t kMaxEmpty = 32;
// Below this it is cheaper to copy the text to its content type than to call the cipher twice.
constexpr std::size_t kCopied = 4096;

// RFC 8446 section 6.
constexpr unsigned char kUnexpectedMessage = 10;
constexpr unsigned char kBadRecordMac = 20;
constexpr unsigned char kRecordOverflow = 22;
constexpr unsigned char kDecodeError = 50;
constexpr unsigned char kInternalError = 80;
constexpr unsigned char kUserCanceled = 90;
// RFC 8446 section 4.
constexpr unsigned char kNewSessionTicket = 4;
constexpr unsigned char kKeyUpdate = 24;

unsigned char byte(char c) {
  return static_cast<unsigned char>(c);
}

bool expand(const TrafficSecret& secret, std::string_view label, std::span<unsigned char> out) {
  return hkdf_expand_label(secret.size, std::span(secret.bytes).first(secret.size), label, out);
}

RecordCipher::Nonce nonce_of(const RecordCipher::Nonce& iv, std::uint64_t number) {
  RecordCipher::Nonce nonce = iv;
  for (std::size_t i = 0; i < 8; ++i) {
    nonce[11 - i] ^= static_cast<unsigned char>(number >> (8 * i));
  }
  return nonce;
}

// RFC 8446 section 7.3: what protects records, of their secret.
class Keys {
 public:
  ~Keys() { OPENSSL_cleanse(key_.data(), key_.size()); }
  bool make(const TrafficSecret& secret, std::size_t size, RecordCipher::Nonce& iv) {
    size_ = size;
    return expand(secret, "key", std::span(key_).first(size)) && expand(secret, "iv", iv);
  }
  [[nodiscard]] std::span<const unsigned char> key() const { return std::span(key_).first(size_); }

 private:
  std::array<unsigned char, 32> key_{};
  std::size_t size_ = 0;
};

}  // namespace

struct RecordProtocol::Suite {
  RecordCipher::Suite name;
  std::size_t key_size;
  std::size_t hash_size;
  bool limited;  // to kRecordsByKey

  static const Suite* find(std::uint16_t number) {
    static constexpr std::array<Suite, 3> kSuites{{
        {RecordCipher::Suite::kAes128Gcm, 16, 32, true},
        {RecordCipher::Suite::kAes256Gcm, 32, 48, true},
        {RecordCipher::Suite::kChaCha20Poly1305, 32, 32, false},
    }};
    const auto* const found = std::ranges::find(kSuites, RecordCipher::Suite{number}, &Suite::name);
    return found != kSuites.end() ? found : nullptr;
  }
};

std::unique_ptr<RecordProtocol> RecordProtocol::take_over(ssl_st* ssl, const HandshakeTap& tap) {
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
  const SSL_SESSION* session = SSL_get_session(ssl);
  // "RH": not within a record, of which the header may have been read already.
  const bool between_records =
      SSL_has_pending(ssl) == 0 && std::strcmp(SSL_rstate_string(ssl), "RH") == 0;
  if (SSL_version(ssl) != TLS1_3_VERSION || !tap.complete() || !between_records ||
      cipher == nullptr || session == nullptr || SSL_get_shutdown(ssl) != 0 ||
      SSL_SESSION_get_max_fragment_length(session) != TLSEXT_max_fragment_length_DISABLED) {
    return nullptr;
  }
  auto made =
      create(SSL_CIPHER_get_protocol_id(cipher), SSL_is_server(ssl) == 1, tap.ours, tap.theirs);
  if (made != nullptr) {
    made->cipher_ = SSL_CIPHER_get_name(cipher);
    made->resumed_ = SSL_session_reused(ssl) == 1;
  }
  return made;
}

std::unique_ptr<RecordProtocol> RecordProtocol::create(std::uint16_t suite, bool server,
                                                       const TrafficSecret& ours,
                                                       const TrafficSecret& theirs) {
  const Suite* known = Suite::find(suite);
  if (known == nullptr || ours.size != known->hash_size || theirs.size != known->hash_size) {
    return nullptr;
  }
  std::unique_ptr<RecordProtocol> made(new (std::nothrow) RecordProtocol(*known, server));
  if (made == nullptr || !made->begin(made->ours_, ours, RecordCipher::Use::kSeal) ||
      !made->begin(made->theirs_, theirs, RecordCipher::Use::kOpen)) {
    return nullptr;
  }
  return made;
}

RecordProtocol::~RecordProtocol() {
  OPENSSL_cleanse(ours_.iv.data(), ours_.iv.size());
  OPENSSL_cleanse(theirs_.iv.data(), theirs_.iv.size());
}

bool RecordProtocol::begin(Direction& direction, const TrafficSecret& secret,
                           RecordCipher::Use use) {
  direction.secret.bytes = secret.bytes;
  direction.secret.size = secret.size;
  direction.secret.records = secret.records;
  Keys keys;
  if (!keys.make(direction.secret, suite_.key_size, direction.iv)) {
    return false;
  }
  direction.cipher = RecordCipher::create(suite_.name, use, keys.key());
  return direction.cipher != nullptr;
}

// RFC 8446 section 7.2.
bool RecordProtocol::next_keys(Direction& direction) {
  TrafficSecret next;
  if (!expand(direction.secret, "traffic upd", std::span(next.bytes).first(suite_.hash_size))) {
    return false;
  }
  direction.secret.bytes = next.bytes;
  direction.secret.records = 0;
  Keys keys;
  return keys.make(direction.secret, suite_.key_size, direction.iv) &&
         direction.cipher->set_key(keys.key());
}

std::size_t RecordProtocol::seal(Content content, std::string_view plain, char* out) {
  const std::size_t inner = plain.size() + 1;
  const std::size_t length = inner + kTag;
  out[0] = static_cast<char>(Content::kApplicationData);
  out[1] = 3;
  out[2] = 3;
  out[3] = static_cast<char>(length >> 8);
  out[4] = static_cast<char>(length & 0xff);
  const RecordCipher::Nonce nonce = nonce_of(ours_.iv, ours_.secret.records++);
  const RecordCipher::Header header(out, kHeader);
  char* const body = out + kHeader;
  const auto type = static_cast<char>(content);
  bool done = false;
  if (inner <= kCopied) {
    std::memcpy(body, plain.data(), plain.size());
    body[plain.size()] = type;
    done = ours_.cipher->seal(nonce, header, {body, inner}, {}, body);
  } else {
    done = ours_.cipher->seal(nonce, header, plain, {&type, 1}, body);
  }
  return done ? kHeader + length : 0;
}

bool RecordProtocol::update_due() const {
  return update_asked_ || (suite_.limited && ours_.secret.records >= kRecordsByKey);
}

std::size_t RecordProtocol::seal_update(char* out) {
  update_asked_ = false;
  constexpr std::array<char, 5> kMessage{kKeyUpdate, 0, 0, 1, 0};  // update_not_requested
  const std::size_t size = seal(Content::kHandshake, {kMessage.data(), kMessage.size()}, out);
  return size != 0 && next_keys(ours_) ? size : 0;
}

bool RecordProtocol::decrypt(std::span<const char> record, char* out) {
  const RecordCipher::Nonce nonce = nonce_of(theirs_.iv, theirs_.secret.records++);
  const std::span<const char> sealed = record.subspan(kHeader);
  return theirs_.cipher->open(nonce, record.first<kHeader>(), {sealed.data(), sealed.size()}, out);
}

RecordProtocol::Opened RecordProtocol::open(std::span<char> input, std::span<char> into) {
  if (error_ != nullptr || closed_) {
    return {.outcome = error_ != nullptr ? Outcome::kFailed : Outcome::kClosed};
  }
  if (input.size() < kHeader) {
    return {};
  }
  const std::size_t length = std::size_t{byte(input[3])} << 8 | byte(input[4]);
  // Everything behind a handshake is protected, and looks like data from outside.
  if (byte(input[0]) != static_cast<unsigned char>(Content::kApplicationData)) {
    return fail(kUnexpectedMessage, "TLS record that is not protected");
  }
  if (length > kMaxRecord + kMaxExpansion) {
    return fail(kRecordOverflow, "TLS record too long");
  }
  if (length < kTag + 1) {
    return fail(kBadRecordMac, "TLS record too short");
  }
  if (input.size() < kHeader + length) {
    return {};
  }
  const std::span<char> record = input.first(kHeader + length);
  char* const out = into.size() >= length - kTag ? into.data() : record.data() + kHeader;
  if (!decrypt(record, out)) {
    return fail(kBadRecordMac, "TLS record with a bad authentication tag");
  }
  return take({out, length - kTag}, kHeader + length);
}

// RFC 8446 section 5.4: the content type is the last byte that is not padding.
RecordProtocol::Opened RecordProtocol::take(std::span<const char> content, std::size_t used) {
  std::size_t end = content.size();
  while (end > 0 && content[end - 1] == 0) {
    --end;
  }
  if (end == 0) {
    return fail(kUnexpectedMessage, "TLS record of nothing but padding");
  }
  const std::string_view text(content.data(), end - 1);
  if (text.size() > kMaxRecord) {
    return fail(kRecordOverflow, "TLS record too long");
  }
  switch (static_cast<Content>(byte(content[end - 1]))) {
    case Content::kApplicationData:
      empty_in_a_row_ = text.empty() ? static_cast<std::uint8_t>(empty_in_a_row_ + 1) : 0;
      if (empty_in_a_row_ > kMaxEmpty) {
        return fail(kUnexpectedMessage, "too many empty TLS records");
      }
      return {Outcome::kData, used, text.data(), text.size()};
    case Content::kAlert:
      return take_alert(text, used);
    case Content::kHandshake:
      return take_handshake(text, used);
  }
  return fail(kUnexpectedMessage, "TLS record of an unknown type");
}

RecordProtocol::Opened RecordProtocol::take_alert(std::string_view alert, std::size_t used) {
  if (alert.size() != 2) {
    return fail(kDecodeError, "broken TLS alert");
  }
  if (alert[1] == 0) {
    closed_ = true;
    return {.outcome = Outcome::kClosed, .used = used};
  }
  if (byte(alert[1]) == kUserCanceled && ++empty_in_a_row_ <= kMaxEmpty) {
    return {.outcome = Outcome::kData, .used = used};
  }
  error_ = "the peer ended the connection with a TLS alert";  // which is not answered
  alert_told_ = true;
  return {.outcome = Outcome::kFailed};
}

RecordProtocol::Opened RecordProtocol::take_handshake(std::string_view messages, std::size_t used) {
  // Whole messages only: a KeyUpdate must end its record (RFC 8446 section 5.1), and tickets fit
  // one.
  if (++empty_in_a_row_ > kMaxEmpty) {
    return fail(kUnexpectedMessage, "too many TLS messages without data");
  }
  while (messages.size() >= 4) {
    const std::size_t size = std::size_t{byte(messages[1])} << 16 |
                             std::size_t{byte(messages[2])} << 8 | byte(messages[3]);
    const unsigned char type = byte(messages[0]);
    messages.remove_prefix(4);
    if (size > messages.size()) {
      return fail(kUnexpectedMessage, "TLS message in pieces after the handshake");
    }
    if (type == kKeyUpdate) {
      if (size != 1 || messages.size() != 1 || byte(messages[0]) > 1) {
        return fail(kDecodeError, "broken TLS KeyUpdate");
      }
      update_asked_ = update_asked_ || messages[0] == 1;
      if (!next_keys(theirs_)) {
        return fail(kInternalError, "no memory for TLS keys");
      }
    } else if (type != kNewSessionTicket || server_) {
      return fail(kUnexpectedMessage, "unexpected TLS message after the handshake");
    }
    messages.remove_prefix(size);
  }
  if (!messages.empty()) {
    return fail(kUnexpectedMessage, "TLS message in pieces after the handshake");
  }
  return {.outcome = Outcome::kData, .used = used};
}

RecordProtocol::Opened RecordProtocol::fail(unsigned char alert, const char* why) {
  error_ = why;
  alert_ = {2, static_cast<char>(alert)};
  return {.outcome = Outcome::kFailed};
}

}  // namespace headgate::net
