#include "server/listener.h"

#include <sys/socket.h>
#include <uv.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include "base/log.h"
#include "net/socket.h"
#include "server/worker.h"

namespace headgate::server {
namespace {

constexpr int kAcceptsPerTurn = 8;
// A session that begins may find its client's first words there already and answer them, and eight
// handshakes in a row take 3 ms, which all others wait for. One that takes longer is the last of
// its turn.
constexpr std::uint64_t kAcceptingMayTakeNs = 100'000;
constexpr std::uint64_t kRestMs = 250;

}  // namespace

Listener::Listener(Worker& worker, std::size_t index, UniqueFd fd)
    : worker_(worker), index_(index), fd_(std::move(fd)), rest_(this, &Listener::on_rested) {
  const Endpoint local = net::local_endpoint(fd_.get());
  if (!local.ip.is_any()) {
    local_ = local;
  }
  watcher_.open(worker_.loop(), fd_.get(), this, &Listener::on_ready, net::Urgency::kCanWait);
  watcher_.want(net::kReadable);
}

void Listener::change(std::size_t index, int backlog, std::chrono::seconds keepalive) {
  index_ = index;
  ::listen(fd_.get(), backlog);  // of a socket that listens: only the backlog changes
  net::tune(fd_.get(), {.idle_s = static_cast<unsigned>(keepalive.count())});
}

void Listener::on_ready(void* self, unsigned /*ready*/) noexcept {
  static_cast<Listener*>(self)->accept_some(kAcceptsPerTurn, uv_hrtime() + kAcceptingMayTakeNs);
}

void Listener::accept_some(int budget, std::uint64_t until_ns) {
  for (int i = 0; i < budget && (i == 0 || uv_hrtime() < until_ns); ++i) {
    net::AcceptResult result = net::accept_tcp(fd_.get());
    if (!result.accepted.fd) {
      if (result.errno_code == EAGAIN) {
        return;
      }
      worker_.listener_metrics(index_).count_accept_error(result.errno_code);
      log::warning("accept failed", {{"listener", worker_.listener_metrics(index_).name},
                                     {"error", std::string_view(std::strerror(result.errno_code))},
                                     {"pause_ms", kRestMs}});
      watcher_.want(0);
      worker_.timers().arm(rest_, kRestMs);
      return;
    }
    result.accepted.local = local_ ? *local_ : net::local_endpoint(result.accepted.fd.get());
    worker_.adopt(index_, std::move(result.accepted));
  }
}

void Listener::on_rested(void* self) noexcept {
  static_cast<Listener*>(self)->watcher_.want(net::kReadable);
}

void Listener::stop() {
  accept_some(std::numeric_limits<int>::max(), std::numeric_limits<std::uint64_t>::max());
  rest_.cancel();
  watcher_.close([](void* self) noexcept { static_cast<Listener*>(self)->closed_ = true; });
  fd_.reset();
}

}  // namespace headgate::server
