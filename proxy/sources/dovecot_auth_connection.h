#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "base/unique_fd.h"
#include "net/io_watcher.h"
#include "net/loop.h"
#include "sources/dovecot_auth_protocol.h"

namespace headgate::sources {

// Why a connection to an auth service is no more.
enum class DovecotAuthEnd : std::uint8_t {
  kClosed,     // by the service, or broken, once it was ready
  kFailed,     // it never became ready
  kHung,       // nothing came for too long: the holder of a request has said so
  kMalformed,  // a line that no auth service sends
};

// One connection to an auth service: connect, handshake, and any number of requests at a time, each
// with a number of its own. What it keeps of a handshake is bounded, and so are the lines of one;
// how long it may take is for those who wait. Knows no time. Its memory outlives its holder until
// the end of the loop's turn, so that it may be given up from its own callbacks.
class DovecotAuthConnection {
 public:
  // Who waits for answers. May go at any time after forget().
  class Waiter {
   public:
    // The handshake is over: ask() may be called.
    virtual void on_ready() = 0;
    // Of a request; after OK and FAIL it is over, and the number is forgotten already.
    virtual void on_line(const DovecotAuthLine& line) = 0;
    // There is no connection any more, and the request unanswered.
    virtual void on_lost(DovecotAuthEnd end, const std::string& why) = 0;

   protected:
    ~Waiter() = default;
  };
  struct Retire {
    void operator()(DovecotAuthConnection* connection) const { connection->retire(); }
  };
  using Ptr = std::unique_ptr<DovecotAuthConnection, Retire>;
  // Called once, before those who wait are told, unless the connection is given up before.
  using Ended = std::function<void(DovecotAuthConnection&, DovecotAuthEnd, const std::string& why)>;

  // `fd` is connecting, or connected. `client_id`: see dovecot_auth_hello().
  static Ptr open(net::Loop& loop, UniqueFd fd, std::uint32_t client_id, Ended on_ended);

  [[nodiscard]] bool ready() const { return state_ == State::kReady; }
  [[nodiscard]] bool offers(std::string_view mechanism) const {
    return mechanisms_.contains(mechanism);
  }
  // Lines that have come so far: one that grows is alive.
  [[nodiscard]] std::uint64_t lines() const { return lines_; }
  // Who waits, for the handshake or for an answer.
  [[nodiscard]] std::size_t pending() const { return arriving_.size() + waiting_.size(); }

  // Of a connection that is not ready.
  void await_ready(Waiter& waiter) { arriving_.push_back(&waiter); }
  // Begins a request, of a connection that is ready; 0: the line would be too long.
  std::uint32_t ask(Waiter& waiter, std::string_view mechanism, std::string_view service,
                    const auth::LoginRequest& request, const Secret* message);
  // The client's next message. False: too long.
  bool go_on(std::uint32_t id, const Secret& message);
  // The waiter wants to know nothing more; `id` 0: it had no request. The service is told.
  void forget(Waiter& waiter, std::uint32_t id);

  // Ends it, as `end` says.
  void end(DovecotAuthEnd end, const std::string& why);

 private:
  enum class State : std::uint8_t { kConnecting, kHandshake, kReady, kEnded };

  DovecotAuthConnection(net::Loop& loop, UniqueFd fd, std::uint32_t client_id, Ended on_ended);
  void retire();
  static void on_event(void* self, unsigned ready) noexcept;
  void finish_connect();
  void receive();
  void take_lines();
  void take(const DovecotAuthLine& line);
  void add_mechanism(std::string_view fields);
  void take_answer(const DovecotAuthLine& line);
  void become_ready();
  [[nodiscard]] std::uint32_t next_id() const;
  void send(const Secret& line);
  int write();
  void flush();
  void close_socket();
  void break_off(const std::string& why);

  State state_ = State::kConnecting;
  UniqueFd fd_;
  net::IoWatcher watcher_;
  Ended on_ended_;
  Secret out_;  // not taken by the socket yet
  Secret in_;   // the beginning of a line
  bool greeted_ = false;
  std::set<std::string, std::less<>> mechanisms_;
  std::uint64_t lines_ = 0;
  std::uint32_t last_id_ = 0;
  std::uint32_t largest_id_ = 0;
  std::vector<Waiter*> arriving_;
  std::map<std::uint32_t, Waiter*> waiting_;
};

}  // namespace headgate::sources
