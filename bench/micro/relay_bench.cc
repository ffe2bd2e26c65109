// What the relay costs: CPU time of the worker's thread alone (system time included), with client
// and backend on threads of their own, over loopback TCP and through a real event loop.
//
//   relay_bench --benchmark_min_time=2 [--benchmark_filter=Bulk]

#include <benchmark/benchmark.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "micro/temporary_certificate.h"
#include "net/buffer_pool.h"
#include "net/io_watcher.h"
#include "net/loop.h"
#include "net/tls.h"
#include "net/transport.h"
#include "relay/relay.h"

namespace headgate {
namespace {

constexpr std::size_t kBulk = 64UL * 1024 * 1024;
constexpr int kWorkerCpu = 0;
constexpr int kPeersCpu = 1;

void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set,
                         &set);  // without it the figures only vary more
}

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

void require(bool good, const char* what) {
  if (!good) {
    std::perror(what);
    std::exit(1);
  }
}

std::unique_ptr<net::ServerTls> make_server_tls() {
  const bench::TemporaryCertificate certificate;
  net::ServerTlsOptions options;
  options.certificates = {certificate.files()};
  options.policy.cipher_suites = "TLS_AES_128_GCM_SHA256";
  options.tickets = 0;  // the blocking client below would take one for an answer
  auto tls = net::ServerTls::create(options);
  require(tls.has_value(), "certificate");
  return std::move(*tls);
}

struct SocketPair {
  UniqueFd ours;    // non-blocking
  UniqueFd theirs;  // blocking
};

SocketPair tcp_pair() {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  require(::bind(listener.get(), generic, length) == 0, "bind");
  require(::listen(listener.get(), 1) == 0, "listen");
  ::getsockname(listener.get(), generic, &length);
  SocketPair pair;
  pair.theirs = UniqueFd(::socket(AF_INET, SOCK_STREAM, 0));
  require(::connect(pair.theirs.get(), generic, length) == 0, "connect");
  pair.ours = UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK));
  const int on = 1;
  ::setsockopt(pair.theirs.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(pair.ours.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return pair;
}

// One end of a session, blocking, with TLS or without.
class Peer {
 public:
  Peer(UniqueFd fd, SSL_CTX* context) : fd_(std::move(fd)) {
    if (context != nullptr) {
      ssl_ = SSL_new(context);
      SSL_set_fd(ssl_, fd_.get());
      SSL_set_connect_state(ssl_);
    }
  }
  ~Peer() { SSL_free(ssl_); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void handshake() { require(ssl_ == nullptr || SSL_do_handshake(ssl_) == 1, "handshake"); }
  void write(const char* from, std::size_t size) {
    while (size > 0) {
      const auto sent = ssl_ != nullptr ? SSL_write(ssl_, from, static_cast<int>(size))
                                        : ::send(fd_.get(), from, size, MSG_NOSIGNAL);
      require(sent > 0, "write");
      from += sent;
      size -= static_cast<std::size_t>(sent);
    }
  }
  std::size_t read(char* into, std::size_t size) {
    const auto got = ssl_ != nullptr ? SSL_read(ssl_, into, static_cast<int>(size))
                                     : ::recv(fd_.get(), into, size, 0);
    require(got > 0, "read");
    return static_cast<std::size_t>(got);
  }
  void read_all(std::size_t size) {
    thread_local std::vector<char> sink(256UL * 1024);
    while (size > 0) {
      size -= read(sink.data(), std::min(sink.size(), size));
    }
  }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  SSL* ssl_ = nullptr;
};

// A session as the server drives it, without the login.
class Session {
 public:
  Session(net::Loop& loop, net::IoScratch& scratch, net::BufferPool& pool, net::SplicePipes& pipes,
          UniqueFd client_fd, UniqueFd backend_fd, std::function<void(Session&)> again)
      : again_(std::move(again)),
        client(std::move(client_fd), scratch),
        backend(std::move(backend_fd), scratch),
        relay_(client, backend, pool, pipes) {
    client_watch_.open(loop, client.fd(), this, [](void* self, unsigned ready) noexcept {
      static_cast<Session*>(self)->run(ready, 0);
    });
    backend_watch_.open(loop, backend.fd(), this, [](void* self, unsigned ready) noexcept {
      static_cast<Session*>(self)->run(0, ready);
    });
  }
  void run(unsigned client_ready, unsigned backend_ready) {
    const relay::Status status = relay_.run(client_ready, backend_ready);
    client_watch_.want(status.interest.client);
    backend_watch_.want(status.interest.backend);
    if (status.again) {
      again_(*this);
    }
  }
  void close() {
    client_watch_.close([](void*) noexcept {});
    backend_watch_.close([](void*) noexcept {});
  }

 private:
  std::function<void(Session&)> again_;

 public:
  net::Transport client;
  net::Transport backend;

 private:
  relay::Relay relay_;
  net::IoWatcher client_watch_;
  net::IoWatcher backend_watch_;
};

// A worker with sessions, and their peers.
class Rig {
 public:
  Rig(std::size_t sessions, bool is_tls, std::size_t buffer_size) : pool_(buffer_size, 64) {
    pin(kWorkerCpu);
    SSL_CTX* context = is_tls ? SSL_CTX_new(TLS_client_method()) : nullptr;
    for (std::size_t i = 0; i < sessions; ++i) {
      SocketPair client = tcp_pair();
      SocketPair backend = tcp_pair();
      clients.push_back(std::make_unique<Peer>(std::move(client.theirs), context));
      backends.push_back(std::make_unique<Peer>(std::move(backend.theirs), nullptr));
      sessions_.push_back(std::make_unique<Session>(loop_, scratch_, pool_, pipes_,
                                                    std::move(client.ours), std::move(backend.ours),
                                                    [this](Session& s) {
                                                      unfinished_.push_back(&s);
                                                      turn_end_->set_busy(true);
                                                    }));
      if (is_tls) {
        shake_hands(sessions_.back()->client, *clients.back());
      }
      sessions_.back()->run(7, 7);
    }
    SSL_CTX_free(context);
  }
  ~Rig() {
    for (const auto& session : sessions_) {
      session->close();
    }
    wakeup_.reset();
    turn_end_.reset();
    loop_.drain();
  }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  // Runs `peers` on another processor and the worker on this one; CPU seconds of the worker.
  double measure(const std::function<void()>& peers) {
    std::thread other([&] {
      pin(kPeersCpu);
      peers();
      wakeup_->notify();
    });
    const double before = thread_seconds();
    loop_.run();
    const double used = thread_seconds() - before;
    other.join();
    return used;
  }

  std::vector<std::unique_ptr<Peer>> clients;
  std::vector<std::unique_ptr<Peer>> backends;

 private:
  void shake_hands(net::Transport& transport, Peer& client) {
    transport.start_tls(*tls_, "");
    std::thread other([&] { client.handshake(); });
    while (transport.handshake().want != net::Want::kNone) {
      std::this_thread::yield();
    }
    other.join();
    transport.flush();
    transport.take_over_records();
  }

  net::Loop loop_;
  net::IoScratch scratch_;
  net::BufferPool pool_;
  net::SplicePipes pipes_;
  std::unique_ptr<net::ServerTls> tls_ = make_server_tls();
  std::vector<Session*> unfinished_;
  std::unique_ptr<net::Wakeup> wakeup_ =
      std::make_unique<net::Wakeup>(loop_, [this] { loop_.stop(); });
  std::unique_ptr<net::TurnEnd> turn_end_ = std::make_unique<net::TurnEnd>(loop_, [this] {
    turn_end_->set_busy(false);
    for (Session* session : std::exchange(unfinished_, {})) {
      session->run(0, 0);
    }
  });
  std::vector<std::unique_ptr<Session>> sessions_;
};

void transfer(benchmark::State& state, bool to_client) {
  Rig rig(1, state.range(0) != 0, static_cast<std::size_t>(state.range(1)) * 1024);
  Peer& source = to_client ? *rig.backends[0] : *rig.clients[0];
  Peer& sink = to_client ? *rig.clients[0] : *rig.backends[0];
  const std::vector<char> block(64UL * 1024, 'x');
  double total = 0;
  for (auto _ : state) {
    const double used = rig.measure([&] {
      std::thread sender([&] {
        pin(kPeersCpu);
        for (std::size_t sent = 0; sent < kBulk; sent += block.size()) {
          source.write(block.data(), block.size());
        }
      });
      sink.read_all(kBulk);
      sender.join();
    });
    state.SetIterationTime(used);
    total += used;
  }
  state.counters["s_per_GB"] =
      total / static_cast<double>(state.iterations()) / static_cast<double>(kBulk) * 1e9;
}

void bulk_to_client(benchmark::State& state) {
  transfer(state, true);
}
void bulk_to_backend(benchmark::State& state) {
  transfer(state, false);
}

// Every session has one command under way at any time; the backend answers at once.
void noop(benchmark::State& state) {
  const auto sessions = static_cast<std::size_t>(state.range(1));
  constexpr std::size_t kRounds = 5000;
  Rig rig(sessions, state.range(0) != 0, 65536);
  const int poll = ::epoll_create1(0);
  for (std::size_t i = 0; i < sessions; ++i) {
    epoll_event event{EPOLLIN, {.u64 = i * 2}};
    ::epoll_ctl(poll, EPOLL_CTL_ADD, rig.clients[i]->fd(), &event);
    event.data.u64 = i * 2 + 1;
    ::epoll_ctl(poll, EPOLL_CTL_ADD, rig.backends[i]->fd(), &event);
  }
  const auto rounds = [&](std::size_t count) {
    char line[4096];
    std::size_t started = 0;
    for (std::size_t i = 0; i < sessions; ++i, ++started) {
      rig.clients[i]->write("a1 NOOP\r\n", 9);
    }
    std::vector<epoll_event> events(128);
    for (std::size_t done = 0; done < count;) {
      const int ready = ::epoll_wait(poll, events.data(), 128, -1);
      for (int i = 0; i < ready; ++i) {
        const std::size_t which = events[static_cast<std::size_t>(i)].data.u64;
        if (which % 2 == 1) {
          rig.backends[which / 2]->read(line, sizeof line);
          rig.backends[which / 2]->write("a1 OK NOOP completed.\r\n", 23);
          continue;
        }
        rig.clients[which / 2]->read(line, sizeof line);
        ++done;
        if (started < count) {
          ++started;
          rig.clients[which / 2]->write("a1 NOOP\r\n", 9);
        }
      }
    }
  };
  rig.measure([&] { rounds(std::max<std::size_t>(sessions, 1000)); });
  double total = 0;
  for (auto _ : state) {
    const double used = rig.measure([&] { rounds(kRounds); });
    state.SetIterationTime(used);
    total += used;
  }
  ::close(poll);
  state.counters["us_per_noop"] = total / static_cast<double>(state.iterations() * kRounds) * 1e6;
}

BENCHMARK(bulk_to_client)
    ->ArgNames({"tls", "buffer_kb"})
    ->ArgsProduct({{0, 1}, {64, 256}})
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(bulk_to_backend)
    ->ArgNames({"tls", "buffer_kb"})
    ->ArgsProduct({{0, 1}, {64, 256}})
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(noop)
    ->ArgNames({"tls", "sessions"})
    ->ArgsProduct({{0, 1}, {1, 64, 1000}})
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace headgate
