#pragma once

#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../net/raw_peer.h"
#include "net/io_watcher.h"
#include "relay/relay.h"

namespace headgate::relay::test {

using net::BufferPool;
using net::IoScratch;
using net::kHangup;
using net::kReadable;
using net::kWritable;
using net::Transport;
using net::test::random_bytes;
using net::test::RawPeer;
using net::test::SocketPair;

enum class Kind { kPlain, kTls12, kTls13 };
using Kinds = std::pair<Kind, Kind>;  // client, backend

inline std::string name_of(Kinds kinds) {
  const auto name = [](Kind kind) {
    return kind == Kind::kPlain ? "Plain" : kind == Kind::kTls12 ? "Tls12" : "Tls13";
  };
  return std::string(name(kinds.first)) + "To" + name(kinds.second);
}

inline constexpr std::size_t kBufferSize = 16384;

// A relay between two peers of ours, driven by poll(2) as the session drives it by libuv: only
// what the interest asks for is looked at, so that a relay that forgets to ask hangs here as well.
class RelayHarness {
 public:
  RelayHarness() { std::signal(SIGPIPE, SIG_IGN); }  // as the process does, see SplicePipe

  void connect(Kinds kinds, int send_buffer = 0, bool over_tcp = false) {
    SocketPair client_side = over_tcp ? net::test::tcp_pair() : net::test::socket_pair(send_buffer);
    SocketPair backend_side =
        over_tcp ? net::test::tcp_pair() : net::test::socket_pair(send_buffer);
    client_transport = std::make_unique<Transport>(std::move(client_side.ours), scratch);
    backend_transport = std::make_unique<Transport>(std::move(backend_side.ours), scratch);
    client = peer(kinds.first, std::move(client_side.theirs), RawPeer::Role::kTlsClient);
    backend = peer(kinds.second, std::move(backend_side.theirs), RawPeer::Role::kTlsServer);
    if (kinds.first != Kind::kPlain) {
      client_transport->start_tls(*server_tls, "");
      ASSERT_TRUE(shake(*client_transport, *client));
      client_transport->flush();
    }
    if (kinds.second != Kind::kPlain) {
      backend_transport->start_tls(*client_tls, "localhost");
      ASSERT_TRUE(shake(*backend_transport, *backend)) << backend_transport->error();
      std::vector<char> room(100);
      backend_transport->read(room);  // session tickets
    }
    relay = std::make_unique<Relay>(*client_transport, *backend_transport, pool, pipes);
    status = relay->run(kReadable | kWritable | kHangup, kReadable | kWritable | kHangup);
  }

  // One turn of a loop. False when nothing was ready.
  bool turn() {
    if (status.end != End::kNot) {
      return false;
    }
    pollfd waiting[2] = {{client_transport->fd(), events(status.interest.client), 0},
                         {backend_transport->fd(), events(status.interest.backend), 0}};
    for (pollfd& each : waiting) {
      if (each.events == 0) {
        each.fd = -1;  // as a stopped uv_poll_t: not even errors
      }
    }
    const int ready = ::poll(waiting, 2, 0);
    if (ready <= 0 && !status.again) {
      return false;
    }
    ++turns;
    status = relay->run(mask(waiting[0]), mask(waiting[1]));
    EXPECT_LE(pool.in_use(), 2U);
    return true;
  }
  // Until nothing moves any more.
  void settle() {
    int limit = 10000;
    while (turn()) {
      ASSERT_GT(--limit, 0) << "busy loop in state " << relay->state_name();
    }
  }

  static short events(unsigned interest) {
    return static_cast<short>(((interest & kReadable) != 0 ? POLLIN | POLLRDHUP : 0) |
                              ((interest & kWritable) != 0 ? POLLOUT : 0) |
                              ((interest & kHangup) != 0 ? POLLRDHUP : 0));
  }
  static unsigned mask(const pollfd& polled) {
    if ((polled.revents & POLLERR) != 0) {
      return kReadable | kWritable | kHangup;  // as IoWatcher does
    }
    unsigned ready = ((polled.revents & POLLIN) != 0 ? kReadable : 0) |
                     ((polled.revents & POLLOUT) != 0 ? kWritable : 0) |
                     ((polled.revents & POLLRDHUP) != 0 ? kHangup : 0);
    if ((polled.revents & POLLHUP) != 0 && ready == 0) {
      ready = kReadable | kWritable | kHangup;
    }
    return ready;
  }
  static bool shake(Transport& ours, RawPeer& theirs) {
    return net::test::shake_hands(ours, theirs);
  }
  static std::unique_ptr<RawPeer> peer(Kind kind, UniqueFd fd, RawPeer::Role tls_role) {
    if (kind == Kind::kPlain) {
      return std::make_unique<RawPeer>(std::move(fd), RawPeer::Role::kPlain);
    }
    return std::make_unique<RawPeer>(std::move(fd), tls_role,
                                     kind == Kind::kTls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
  }

  std::unique_ptr<net::ServerTls> server_tls = net::test::make_server_tls();
  std::unique_ptr<net::ClientTls> client_tls = net::test::make_client_tls();
  IoScratch scratch;
  BufferPool pool{kBufferSize, 4};
  net::SplicePipes pipes;
  std::unique_ptr<Transport> client_transport;
  std::unique_ptr<Transport> backend_transport;
  std::unique_ptr<RawPeer> client;
  std::unique_ptr<RawPeer> backend;
  std::unique_ptr<Relay> relay;
  Status status;
  int turns = 0;
};

}  // namespace headgate::relay::test
