#include "server/session/connection.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace headgate::server {
namespace {

constexpr std::uint64_t kLingerMs = 2000;
constexpr std::size_t kLingerBytes = 256 * 1024;

}  // namespace

struct Connection::Linger {
  explicit Linger(Connection* self) : timer(self, &Connection::on_linger_expired) {}
  net::Timer timer;
  std::size_t discarded = 0;
  bool ended = false;  // our side's end is out
};

Connection::Connection(net::Loop& loop, net::IoScratch& scratch, UniqueFd fd, void* owner,
                       Callback on_ready, net::Urgency urgency)
    : transport_(std::move(fd), scratch) {
  watcher_.open(loop, transport_.fd(), owner, on_ready, urgency);
}

Connection::Ptr Connection::open(net::Loop& loop, net::IoScratch& scratch, UniqueFd fd, void* owner,
                                 Callback on_ready, net::Urgency urgency) {
  return Ptr(new Connection(loop, scratch, std::move(fd), owner, on_ready, urgency));
}

void Connection::Retire::operator()(Connection* connection) const {
  connection->give_up();
}

void Connection::give_up() {
  linger_.reset();
  watcher_.rebind(this, [](void* /*self*/, unsigned /*ready*/) noexcept {});
  watcher_.close([](void* self) noexcept { delete static_cast<Connection*>(self); },
                 net::IoWatcher::Descriptor::kClosedByThen);
}

void Connection::linger(Ptr connection, net::TimerWheel& timers) {
  Connection* self = connection.release();  // from here on it gives itself up
  self->linger_ = std::make_unique<Linger>(self);
  self->watcher_.rebind(self, &Connection::on_lingering_ready);
  if (!self->linger_step()) {
    self->give_up();
    return;
  }
  timers.arm(self->linger_->timer, kLingerMs);
}

bool Connection::linger_step() {
  if (!linger_->ended) {
    const net::IoResult result = transport_.shutdown_write();
    if (result.want == net::Want::kFailed || result.want == net::Want::kClosed) {
      return false;
    }
    linger_->ended = result.want == net::Want::kNone;
  }
  // Straight from the socket: whatever comes now is of no interest, encrypted or not.
  std::array<char, 16384> discard;
  while (linger_->discarded < kLingerBytes) {
    const ssize_t got = ::recv(transport_.fd(), discard.data(), discard.size(), 0);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0 && errno == EAGAIN) {
      watcher_.want(linger_->ended ? net::kReadable : net::kReadable | net::kWritable);
      return true;
    }
    if (got <= 0) {
      return false;
    }
    linger_->discarded += static_cast<std::size_t>(got);
  }
  return false;
}

void Connection::on_lingering_ready(void* self, unsigned /*ready*/) noexcept {
  auto* connection = static_cast<Connection*>(self);
  if (!connection->linger_step()) {
    connection->give_up();
  }
}

void Connection::on_linger_expired(void* self) noexcept {
  static_cast<Connection*>(self)->give_up();
}

}  // namespace headgate::server
