#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "net/channel_bindings.h"
#include "net/client_certificate.h"
#include "net/handshake_tap.h"
#include "net/io_result.h"
#include "net/record_protocol.h"
#include "net/shared_bio.h"
#include "net/wire.h"

struct ssl_st;

namespace headgate::net {

class ServerTls;
class ClientTls;
class IoScratch;

// One connected, non-blocking socket with or without TLS: client, backend and health check alike.
// Never closes itself, never calls back, never blocks.
//
// read()  Fills from the front until `into` is full or the source has nothing more. Bytes and a
//         want may come together: {bytes, kRead} means "these, and then wait for the poll",
//         {bytes, kNone} means `into` is full, or nearly, or many records were opened, and there
//         may be more that no poll will announce (TLS buffers): call again. Likewise {bytes,
//         kClosed} and {bytes, kFailed}. A call after kRead without a poll in between is allowed
//         but costs a system call that mostly finds nothing: a short recv() is taken as "empty",
//         which the level-triggered poll makes safe. {bytes, kWrite}: the peer must first take what
//         reading made us say (TLS key updates).
// write() Takes a prefix of `from`. {all, kNone}: the kernel has everything. {n, kWrite}: n bytes
//         are taken (some may still be inside as ciphertext, see unsent()); the rest stays the
//         caller's; come back with it when writable. TLS records are gathered and leave in few
//         sends. `end_follows`: the caller calls shutdown_write(), or push(), right after, so the
//         kernel may keep these bytes until then; they go in one segment with the FIN.
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

  // For the long rest of a connection whose handshake is over and that has nothing more to tell
  // about it: gives OpenSSL's state back and goes on with RecordProtocol, where that can be
  // (TLS 1.3, no record under way, a context that allows it). Afterwards server_name(),
  // channel_bindings() and client_certificate() answer as without TLS. False: all stays as it is.
  bool take_over_records();

  IoResult read(std::span<char> into);
  IoResult write(std::string_view from, bool end_follows = false);
  IoResult flush();
  // The end does not follow after all.
  void push();
  // read() into an empty pipe, and write() of all that is in one; without TLS alone. {n, kNone}
  // from splice_into() may be all there was: the poll announces what else comes.
  IoResult splice_into(SplicePipe& pipe);
  IoResult splice_from(SplicePipe& pipe);
  // Ends our sending side after everything unsent: close_notify under TLS, then FIN. Repeat on
  // kWrite.
  IoResult shutdown_write();
  // Asks the kernel whether the connection broke, for a side that is not being read just now.
  [[nodiscard]] bool broken();

  [[nodiscard]] int fd() const { return wire_.fd(); }
  [[nodiscard]] bool is_tls() const { return stage_ != Stage::kPlain; }
  [[nodiscard]] std::size_t unsent() const {
    return wire_.unsent();
  }  // bytes of memory held for the kernel's sake
  [[nodiscard]] bool read_pending() const {
    return more_inside_;
  }  // bytes wait inside TLS that no poll will announce
  [[nodiscard]] bool truncated() const;
  [[nodiscard]] int error_code() const { return wire_.error(); }  // errno of it; 0 where TLS failed
  [[nodiscard]] std::string error() const;                        // printable; what went wrong last
  // Views of static or connection-owned text; empty without TLS.
  [[nodiscard]] std::string_view tls_version() const;  // "TLSv1.3"
  [[nodiscard]] std::string_view tls_cipher() const;
  [[nodiscard]] std::string_view server_name() const;  // SNI of the client
  [[nodiscard]] bool tls_resumed() const;
  // Of the server's side of TLS; none without it and before the handshake is over.
  [[nodiscard]] ChannelBindings channel_bindings() const;
  // Of the certificate that the client has shown and that was verified, in this handshake or in
  // that of the session that it took up; null: there is none, or its time is over.
  [[nodiscard]] std::shared_ptr<const CertificateNames> client_certificate() const;
  // One that was taken although no authority vouches for it (ClientVerification); null: none was.
  [[nodiscard]] std::shared_ptr<const UnverifiedCertificate> unverified_client_certificate() const;

 private:
  enum class Stage : std::uint8_t {
    kPlain,
    kFirstFlight,  // server handshake until our first flight is out (SSL_read_early_data)
    kHandshake,    // the rest of it
    kOpen,
    kRecords,  // open, by our own record protocol
    kBroken,   // a fatal TLS error: OpenSSL may not be called any more
  };

  void start_tls(ssl_st* ssl, Stage first);
  Want advance_handshake();
  Want send_first_flight();
  IoResult read_plain(std::span<char> into);
  IoResult read_tls(std::span<char> into);
  IoResult write_tls(std::string_view from, bool end_follows);
  IoResult read_records(std::span<char> into);
  std::size_t take_plain(std::string_view text, std::span<char> into);
  std::size_t take_rest(std::span<char> into);
  IoResult write_records(std::string_view from, bool end_follows);
  bool seal(std::string_view plain);
  void seal_alert();
  Want why(int result);

  IoScratch& scratch_;
  ssl_st* ssl_ = nullptr;
  std::unique_ptr<std::string> first_flight_;
  std::unique_ptr<HandshakeTap> tap_;        // until the records are ours
  std::unique_ptr<RecordProtocol> records_;  // instead of ssl_
  std::unique_ptr<std::string> rest_;  // plain text of a record that a small buffer had no room for
  unsigned long tls_error_ = 0;        // OpenSSL's code of what went wrong
  Wire wire_;
  std::uint32_t said_reading_ = 0;  // bytes reading made us say that the kernel has not taken
  Stage stage_ = Stage::kPlain;
  bool more_inside_ = false;     // TLS may hold bytes that no poll will announce
  bool notified_close_ = false;  // close_notify is written
  bool shut_ = false;            // FIN is sent
};

// What all transports of a worker share while a call is under way: the buffer that gathers TLS
// records. Nothing in it outlives the call. One per worker; it must outlive its transports.
class IoScratch {
 public:
  IoScratch() = default;

 private:
  friend class Transport;
  SharedBio bio_;
};

}  // namespace headgate::net
