#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/event_loop.h"
#include "load/bench.h"
#include "load/tls_client.h"

namespace headgate::bench {

// One client connection, plain or TLS, which may be opened again once it is closed. Keeps the
// tickets it is given, for the next time.
class Connection : EventLoop::Watcher, TlsClient::TicketKeeper {
 public:
  class User {
   public:
    virtual ~User() = default;
    virtual void on_connected() = 0;  // with TLS done, when there is TLS from the start
    virtual void on_secured() = 0;    // after start_tls()
    virtual void on_bytes(std::string_view bytes) = 0;
    virtual void on_drained() {}  // everything sent has gone to the kernel
    // Not called for one's own close().
    virtual void on_closed(std::string_view reason) = 0;
  };

  Connection(Bench& bench, User& user);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void open();
  void start_tls();
  // What the kernel does not take at once is kept and sent later.
  void send(std::string_view bytes);
  [[nodiscard]] bool drained() const { return waiting_.empty(); }
  // Says close_notify when it can be said at once.
  void close();

  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  [[nodiscard]] bool resumed() const;
  // Forgets the tickets: the next handshake is a full one.
  void forget_ticket() { ticket_.reset(); }

 private:
  enum class Phase : std::uint8_t { kConnect, kHandshake, kOpen };

  void on_ready(unsigned events) override;
  void keep(SslSessionPtr ticket) override;
  void begin_handshake();
  void handshake();
  // At most a scratch full at a time: a bulk transfer must not delay what else is measured.
  void read();
  void read_more_later();
  // Bytes read, 0 when there are none now, negative when it is over.
  std::ptrdiff_t read_some(char* bytes, std::size_t size);
  // Bytes taken, 0 when none are taken now, negative when it is over.
  std::ptrdiff_t write_some(std::string_view bytes);
  void write_waiting();
  void set_interest();
  void fail(std::string_view reason);

  Bench& bench_;
  User& user_;
  int fd_ = -1;
  Phase phase_ = Phase::kConnect;
  bool connected_told_ = false;
  bool read_is_due_ = false;  // bytes may be inside OpenSSL that no poll will announce
  unsigned interest_ = 0;
  SslPtr ssl_;
  SslSessionPtr ticket_;
  std::string waiting_;
  std::size_t waiting_sent_ = 0;
};

}  // namespace headgate::bench
