#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

struct ssl_ctx_st;
struct ssl_st;

namespace headgate::net {

// What one direction of a TLS 1.3 connection is protected with from the handshake's end on.
// Wipes itself.
struct TrafficSecret {
  TrafficSecret() = default;
  TrafficSecret(const TrafficSecret&) = delete;
  TrafficSecret& operator=(const TrafficSecret&) = delete;
  ~TrafficSecret();

  std::array<unsigned char, 48> bytes{};  // RFC 8446 section 7.1: as long as the suite's hash
  std::size_t size = 0;                   // 0: not known
  std::uint64_t records = 0;              // protected with it so far
};

// Listens to the handshake of one connection for what RecordProtocol needs to go on without
// OpenSSL: both traffic secrets and how many records each has protected. The same that OpenSSL
// gives to the kernel where the kernel does TLS, by callbacks of its public interface:
// SSL_CTX_set_keylog_callback and SSL_set_msg_callback. Nothing of it is ever written anywhere.
class HandshakeTap {
 public:
  // Once for each context whose connections may be tapped.
  static void prepare(ssl_ctx_st* context);
  // null: no memory. The tap must live as long as `ssl` does, or until release().
  static std::unique_ptr<HandshakeTap> attach(ssl_st* ssl);
  static void release(ssl_st* ssl);

  // True when the secrets are those in use, and records can be counted on from `records`.
  [[nodiscard]] bool complete() const { return ours.size != 0 && theirs.size != 0 && !updated_; }

  TrafficSecret ours;    // what we send
  TrafficSecret theirs;  // what the peer sends

 private:
  struct Callbacks;
  bool server_ = false;
  bool updated_ = false;  // a KeyUpdate went by: the secrets are old
};

}  // namespace headgate::net
