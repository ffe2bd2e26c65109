// What a handshake of TLS 1.3 costs the server, with the greeting in its first flight and one
// ticket: its own time alone, by the thread's CPU clock around each of its calls.

#include <benchmark/benchmark.h>
#include <sys/socket.h>

#include <array>
#include <ctime>
#include <memory>
#include <string_view>
#include <utility>

#include "base/unique_fd.h"
#include "micro/temporary_certificate.h"
#include "net/tls.h"
#include "net/transport.h"

namespace headgate::bench {
namespace {

constexpr std::string_view kGreeting = "* OK ready\r\n";

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

class Handshakes {
 public:
  Handshakes() {
    const TemporaryCertificate certificate;
    net::ServerTlsOptions server;
    server.policy.cipher_suites = "TLS_AES_128_GCM_SHA256";
    server.certificates = {certificate.files()};
    server.ticket_keys = net::make_ticket_keys();
    server_tls_ = std::move(net::ServerTls::create(server).value());
    forget_sessions();
  }

  // The client resumes no session of before.
  void forget_sessions() {
    net::ClientTlsOptions client;
    client.verify = false;
    client_tls_ = std::move(net::ClientTls::create(client).value());
  }

  // The server's seconds, from its SSL object's making to its end; below 0: it did not come about,
  // or not by the session of before as `resumed` demands.
  double one(bool resumed) {
    std::array<int, 2> fds{};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds.data()) != 0) {
      return -1;
    }
    net::Transport client(UniqueFd{fds[0]}, far_scratch_);
    auto server = std::make_unique<net::Transport>(UniqueFd(fds[1]), near_scratch_);
    double seconds = 0;
    const auto timed = [&](auto what) {
      const double begun = thread_seconds();
      what();
      seconds += thread_seconds() - begun;
    };
    client.start_tls(*client_tls_, "localhost");
    client.handshake();
    net::IoResult shaken;
    timed([&] {
      server->start_tls(*server_tls_, kGreeting);
      shaken = server->handshake();
    });
    client.handshake();
    timed([&] {
      shaken = server->handshake();
      server->write("* OK\r\n");  // the ticket goes along with it
    });
    std::array<char, 256> heard;
    client.read(heard);  // the greeting, which came with the first flight
    client.read(heard);  // the ticket and what follows it
    const bool good = shaken.want == net::Want::kNone && server->tls_resumed() == resumed;
    timed([&] { server.reset(); });
    return good ? seconds : -1;
  }

 private:
  net::IoScratch near_scratch_;
  net::IoScratch far_scratch_;
  std::unique_ptr<net::ServerTls> server_tls_;
  std::unique_ptr<net::ClientTls> client_tls_;
};

void handshake(::benchmark::State& state, bool resumed) {
  Handshakes handshakes;
  if (resumed) {
    handshakes.one(false);
  }
  for (auto _ : state) {
    if (!resumed) {
      handshakes.forget_sessions();
    }
    const double seconds = handshakes.one(resumed);
    if (seconds < 0) {
      state.SkipWithError("the handshake did not come about");
      return;
    }
    state.SetIterationTime(seconds);
  }
}
BENCHMARK_CAPTURE(handshake, full, false)->UseManualTime();
BENCHMARK_CAPTURE(handshake, resumed, true)->UseManualTime();

}  // namespace
}  // namespace headgate::bench
