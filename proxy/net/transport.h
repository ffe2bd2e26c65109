#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

struct ssl_st;

namespace headgate::net {

class ServerTls;
class ClientTls;
class IoScratch;

enum class Want : std::uint8_t {
  kNone,    // done as asked
  kRead,    // come back when readable
  kWrite,   // come back when writable
  kClosed,  // the peer ended in order (close_notify, or FIN on a plain connection)
  kFailed,  // the connection is broken; error() says how
};

struct IoResult {
  std::size_t bytes = 0;
  Want want = Want::kNone;
};

// One connected, non-blocking socket with or without TLS: client, backend and health check alike.
// Never closes itself, never calls back, never blocks.
//
// read()  Fills from the front until `into` is full or the source has nothing more. Bytes and a
//         want may come together: {bytes, kRead} means "these, and then wait for the poll",
//         {bytes, kNone} means `into` is full and there may be more that no poll will announce (TLS
//         buffers): call again. Likewise {bytes, kClosed} and {bytes, kFailed}. A call after kRead
//         without a poll in between is allowed but costs a system call that mostly finds nothing:
//         a short recv() is taken as "empty", which the level-triggered poll makes safe.
//         {bytes, kWrite}: the peer must first take what reading made us say (TLS key updates).
// write() Takes a prefix of `from`. {all, kNone}: the kernel has everything. {n, kWrite}: n bytes
//         are taken (some may still be inside as ciphertext, see unsent()); the rest stays the
//         caller's; come back with it when writable. TLS records are gathered and leave in few
//         sends.
// flush() Pushes what write() took and the kernel did not. kNone: nothing is left inside. Whoever
//         sees unsent() after any call asks the poll for kWritable and flushes then.
// A TLS connection that ends without close_notify reads as kFailed with truncated() true: whether
// that is an end in order is for the caller (many IMAP clients just drop the connection).
class Transport {
 public:
  Transport(UniqueFd fd, IoScratch& scratch);
  ~Transport();  // frees TLS without a word to the peer, closes the fd
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Takes the socket's part in a non-blocking connect: kWrite while under way, kNone when
  // connected.
  IoResult finish_connect();

  // Begins TLS; only on a connection without. Bytes read before are gone, nothing may be unsent.
  // The handshake proper is handshake(); after its kNone call read() when read_pending().
  // `first_flight` goes out with the server's first flight under TLS 1.3 (RFC 8446 section 2,
  // figure 1: the server may send application data right after its Finished) and right after the
  // handshake else; it is copied only if it cannot be sent at once. 0-RTT data is never accepted.
  void start_tls(ServerTls& tls, std::string_view first_flight);
  // `server_name`: for SNI and verification; a literal address is verified as such and not sent.
  void start_tls(ClientTls& tls, const std::string& server_name);
  IoResult handshake();

  IoResult read(std::span<char> into);
  IoResult write(std::string_view from);
  IoResult flush();
  // Ends our sending side after everything unsent: close_notify under TLS, then FIN. Repeat on
  // kWrite.
  IoResult shutdown_write();
  // Asks the kernel whether the connection broke, for a side that is not being read just now.
  [[nodiscard]] bool broken();

  [[nodiscard]] int fd() const;
  [[nodiscard]] bool is_tls() const;
  [[nodiscard]] std::size_t unsent() const;  // bytes of memory held for the kernel's sake
  [[nodiscard]] bool read_pending() const;   // bytes wait inside TLS that no poll will announce
  [[nodiscard]] bool truncated() const;
  [[nodiscard]] std::string error() const;  // printable; what went wrong last
  // Views of static or connection-owned text; empty without TLS.
  [[nodiscard]] std::string_view tls_version() const;  // "TLSv1.3"
  [[nodiscard]] std::string_view tls_cipher() const;
  [[nodiscard]] std::string_view server_name() const;  // SNI of the client
  [[nodiscard]] bool tls_resumed() const;

 private:
  friend struct SocketBio;
  // Ciphertext the kernel did not take: exactly as large as need be, gone as soon as it is sent.
  struct Unsent {
    std::unique_ptr<char[]> bytes;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
  };
  enum class Stage : std::uint8_t {
    kPlain,
    kEarly,      // server handshake until our first flight is out (SSL_read_early_data)
    kHandshake,  // the rest of it
    kOpen,
    kBroken,  // no further TLS call is allowed
  };

  void start_tls(ssl_st* ssl, Stage first);
  IoResult read_plain(std::span<char> into);
  IoResult read_tls(std::span<char> into);
  IoResult write_plain(std::string_view from);
  IoResult write_tls(std::string_view from);
  Want advance_handshake();
  Want send_first_flight();
  Want after_tls_call(int result);
  Want fail(int error_number);
  void begin_tls_call();
  bool send_gathered();
  bool send_unsent();
  void gather(const char* bytes, std::size_t size);
  void keep_unsent(const char* bytes, std::size_t size);
  long receive(char* into, std::size_t size);

  IoScratch& scratch_;
  ssl_st* ssl_ = nullptr;
  std::unique_ptr<std::string> first_flight_;
  Unsent unsent_;
  unsigned long tls_error_ = 0;  // OpenSSL's code of what went wrong
  UniqueFd fd_;
  int errno_ = 0;
  std::uint32_t said_reading_ =
      0;  // bytes that read() itself made us say and the peer did not take
  Stage stage_ = Stage::kPlain;
  bool drained_ = false;         // the last recv was short: no use asking before the next poll
  bool end_of_file_ = false;     // the peer's FIN was seen
  bool more_inside_ = false;     // TLS may hold bytes that no poll will announce
  bool held_back_ = false;       // unsent_ may wait for the next write (a session ticket)
  bool notified_close_ = false;  // close_notify is written
  bool shut_ = false;            // FIN is sent
};

// Buffers that all transports of a worker share while a call is under way; nothing in them outlives
// the call. One per worker.
class IoScratch {
 public:
  IoScratch();
  ~IoScratch();  // after the last transport that uses it
  IoScratch(const IoScratch&) = delete;
  IoScratch& operator=(const IoScratch&) = delete;

 private:
  friend class Transport;
  friend struct SocketBio;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::net
