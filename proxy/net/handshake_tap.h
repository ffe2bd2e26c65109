#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

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
// OpenSSL: both traffic secrets and how many records each has protected; the same that OpenSSL
// gives to the kernel where the kernel does TLS. The secrets come from the key schedule, which is
// ours (tls13_kdf.h), the records from SSL_set_msg_callback(). Nothing of it is ever written
// anywhere.
class HandshakeTap {
 public:
  // Once for each context whose connections may be tapped. The context must be one of
  // crypto_library(); nothing is tapped where its key schedule is not ours.
  static void prepare(ssl_ctx_st* context);
  // null: not to be tapped, or no memory. The tap must live as long as `ssl` does.
  static std::unique_ptr<HandshakeTap> attach(ssl_st* ssl);

  // While it lives, what the key schedule makes on this thread is of `tap`'s connection (null: of
  // nobody's). Lives for the time of a call into OpenSSL.
  class Listening {
   public:
    explicit Listening(HandshakeTap* tap);
    Listening(const Listening&) = delete;
    Listening& operator=(const Listening&) = delete;
    ~Listening();
  };
  // The key schedule has made a secret; `label` is that of RFC 8446 section 7.1. Both borrowed.
  static void hear(std::span<const unsigned char> label, std::span<const unsigned char> secret);

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
