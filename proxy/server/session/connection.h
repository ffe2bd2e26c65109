#pragma once

#include <cstdint>
#include <memory>

#include "base/unique_fd.h"
#include "net/io_watcher.h"
#include "net/loop.h"
#include "net/timer_wheel.h"
#include "net/transport.h"

namespace headgate::server {

// A transport and its watcher: one side of a session. A watcher's memory must live until the end of
// the turn in which it was closed, so a connection is given up by its Ptr or by linger(), never
// destroyed by its holder.
class Connection {
 public:
  using Callback = net::IoWatcher::Callback;
  struct Retire {
    void operator()(Connection* connection) const;
  };
  using Ptr = std::unique_ptr<Connection, Retire>;

  // `owner` gets `on_ready` until the connection is given up.
  static Ptr open(net::Loop& loop, net::IoScratch& scratch, UniqueFd fd, void* owner,
                  Callback on_ready, net::Urgency urgency = net::Urgency::kNow);

  net::Transport& transport() { return transport_; }
  void want(unsigned mask) { watcher_.want(mask); }
  void set_urgency(net::Urgency urgency) { watcher_.set_urgency(urgency); }
  // It changes hands.
  void rebind(void* owner, Callback on_ready) { watcher_.rebind(owner, on_ready); }

  // Ends in order what was said last (a BYE): unsent bytes, close_notify, FIN; then reads and
  // discards for a bounded time and size, because a close with unread bytes makes the kernel send a
  // reset, and a reset makes the peer lose what it had not read yet.
  static void linger(Ptr connection, net::TimerWheel& timers);

 private:
  Connection(net::Loop& loop, net::IoScratch& scratch, UniqueFd fd, void* owner, Callback on_ready,
             net::Urgency urgency);
  static void on_lingering_ready(void* self, unsigned ready) noexcept;
  static void on_linger_expired(void* self) noexcept;
  bool linger_step();  // false: done
  void give_up();

  net::Transport transport_;
  net::IoWatcher watcher_;
  struct Linger;
  std::unique_ptr<Linger> linger_;
};

}  // namespace headgate::server
