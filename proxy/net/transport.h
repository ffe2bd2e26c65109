#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

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
//         want may come together: {bytes, kRead} means "these, and then wait", {bytes, kNone} means
//         `into` is full and there may be more that no poll will announce (TLS buffers): call again.
// write() Takes a prefix of `from`. {all, kNone}: the kernel has everything. {n, kWrite}: n bytes
//         are taken (some may still be inside as ciphertext, see unsent()); the rest stays the
//         caller's; come back with it when writable. TLS records are gathered and leave in few sends.
// flush() Pushes what write() took and the kernel did not. kNone: nothing is left inside.
// A TLS connection that ends without close_notify reads as kFailed with truncated() true: whether
// that is an end in order is for the caller (many IMAP clients just drop the connection).
class Transport {
 public:
  Transport(UniqueFd fd, IoScratch& scratch);
  ~Transport();  // frees TLS without a word to the peer, closes the fd
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Takes the socket's part in a non-blocking connect: kWrite while under way, kNone when connected.
  IoResult finish_connect();

  // Begins TLS; only on a connection without. Bytes read before are gone, nothing may be unsent.
  // `first_flight` goes out with the server's first flight under TLS 1.3 (RFC 8446 section 2, figure 1:
  // the server may send application data right after its Finished) and right after the handshake else;
  // it is copied only if it cannot be sent at once. 0-RTT data is never accepted.
  void start_tls(ServerTls& tls, std::string_view first_flight);
  // `server_name`: for SNI and verification; a literal address is verified as such and not sent.
  void start_tls(ClientTls& tls, const std::string& server_name);
  IoResult handshake();

  IoResult read(std::span<char> into);
  IoResult write(std::string_view from);
  IoResult flush();
  // Ends our sending side after everything unsent: close_notify under TLS, then FIN. Repeat on kWrite.
  IoResult shutdown_write();

  [[nodiscard]] int fd() const;
  [[nodiscard]] bool is_tls() const;
  [[nodiscard]] std::size_t unsent() const;      // bytes of memory held for the kernel's sake
  [[nodiscard]] bool read_pending() const;       // bytes wait inside TLS that no poll will announce
  [[nodiscard]] bool truncated() const;
  [[nodiscard]] std::string error() const;       // printable; what went wrong last
  // Views of static or connection-owned text; empty without TLS.
  [[nodiscard]] std::string_view tls_version() const;  // "TLSv1.3"
  [[nodiscard]] std::string_view tls_cipher() const;
  [[nodiscard]] std::string_view server_name() const;  // SNI of the client
  [[nodiscard]] bool tls_resumed() const;

 private:
  struct Tls;
  UniqueFd fd_;
  IoScratch& scratch_;
  std::unique_ptr<Tls> tls_;
  int errno_ = 0;
  bool drained_ = false;  // the last recv was short: no use asking again before the next poll
};

// Buffers that all transports of a worker share while a call is under way; nothing in them outlives
// the call. One per worker.
class IoScratch {
 public:
  IoScratch();
  ~IoScratch();

 private:
  friend class Transport;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::net
