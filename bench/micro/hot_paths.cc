// headgate-hot-paths: fixed work on fixed input for callgrind (scripts/bench micro-check).
//
//   headgate-hot-paths --list   the names
//   headgate-hot-paths NAME     runs hot_path_NAME() and prints how many units of work it did
//
// callgrind counts only inside hot_path_*: what is set up before is not counted.

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "balance/policy.h"
#include "base/secret.h"
#include "imap/backend_login.h"
#include "imap/client_login.h"
#include "imap/client_login_profile.h"
#include "micro/hot_tls.h"
#include "net/buffer_pool.h"
#include "net/io_watcher.h"
#include "net/transport.h"
#include "relay/relay.h"

namespace {

using namespace headgate;  // NOLINT(google-build-using-namespace): every room has its part here
using bench::require;

// A relay between two socket pairs, whose far ends are the client's and the backend's.
class RelayBetweenPairs {
 public:
  RelayBetweenPairs()
      : client_(std::make_pair(-1, -1)),
        backend_(client_),
        client_side_(open_pair(client_), scratch_),
        backend_side_(open_pair(backend_), scratch_),
        relay_(client_side_, backend_side_, buffers_, pipes_) {}

  ~RelayBetweenPairs() {
    ::close(client_.first);
    ::close(backend_.first);
  }
  RelayBetweenPairs(const RelayBetweenPairs&) = delete;
  RelayBetweenPairs& operator=(const RelayBetweenPairs&) = delete;

  void to_backend(std::string_view bytes) {
    send_all(client_.first, bytes);
    relay_.run(net::kReadable, 0);
    receive_all(backend_.first, bytes.size());
  }

  void to_client(std::string_view bytes) {
    send_all(backend_.first, bytes);
    relay_.run(0, net::kReadable);
    receive_all(client_.first, bytes.size());
  }

 private:
  static UniqueFd open_pair(std::pair<int, int>& far) {
    std::array<int, 2> fds{};
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds.data()) == 0, "no socketpair");
    far.first = fds[0];
    return UniqueFd(fds[1]);
  }

  static void send_all(int fd, std::string_view bytes) {
    require(send(fd, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()),
            "a socketpair did not take what it should");
  }

  void receive_all(int fd, std::size_t size) {
    std::size_t got = 0;
    while (got < size) {
      const ssize_t now = recv(fd, received_.data(), received_.size(), 0);
      require(now > 0, "the relay did not deliver");
      got += static_cast<std::size_t>(now);
    }
  }

  std::pair<int, int> client_;  // first: the far end
  std::pair<int, int> backend_;
  net::IoScratch scratch_;
  net::BufferPool buffers_{65'536, 4};
  net::SplicePipes pipes_;
  net::Transport client_side_;
  net::Transport backend_side_;
  relay::Relay relay_;
  std::array<char, 65'536> received_{};
};

const imap::ClientLoginProfile& profile() {
  static const imap::ClientLoginProfile made((imap::ClientLoginOptions()));
  return made;
}

void client_login(std::string_view input, std::size_t piece) {
  imap::ClientLogin dialogue(profile());
  std::string out;
  dialogue.greet(out);
  bool authenticated = false;
  while (!input.empty() && !authenticated) {
    const dialogue::Step step = dialogue.on_bytes(input.substr(0, piece), out);
    input.remove_prefix(step.consumed);
    authenticated = std::holds_alternative<dialogue::Authenticate>(step.action);
  }
  require(authenticated, "the login was not understood");
  dialogue.on_login_succeeded({"IMAP4rev1 IDLE", {}, "logged in", {}}, out);
}

constexpr std::string_view kLogin = "a1 LOGIN user00001@example.org \"correct horse\"\r\n";

RelayBetweenPairs* relay_pairs = nullptr;  // made before counting begins
bench::RelayUnderTls* relay_under_tls = nullptr;
balance::BackendSet* backend_set = nullptr;
std::string bulk(32'768, 'm');

}  // namespace

extern "C" {

[[gnu::noinline]] unsigned hot_path_client_login() {
  for (unsigned i = 0; i < 200; ++i) {
    client_login(kLogin, kLogin.size());
  }
  return 200;
}

[[gnu::noinline]] unsigned hot_path_client_login_byte_by_byte() {
  for (unsigned i = 0; i < 50; ++i) {
    client_login(kLogin, 1);
  }
  return 50;
}

[[gnu::noinline]] unsigned hot_path_backend_login() {
  for (unsigned i = 0; i < 200; ++i) {
    imap::BackendLogin dialogue{imap::BackendLoginOptions()};
    Secret out;
    dialogue.on_bytes("* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID AUTH=PLAIN] ready\r\n", out);
    dialogue::BackendLoginRequest request;
    request.user = "user00001@example.org";
    request.password = Secret("correct horse");
    request.client.session_id = "0123456789abcdef";
    dialogue.log_in(std::move(request), out);
    require(!out.empty(), "no login was sent");
  }
  return 200;
}

[[gnu::noinline]] unsigned hot_path_relay_noop() {
  for (unsigned i = 0; i < 500; ++i) {
    relay_pairs->to_backend("a17 NOOP\r\n");
    relay_pairs->to_client("a17 OK NOOP completed\r\n");
  }
  return 500;
}

[[gnu::noinline]] unsigned hot_path_relay_bulk_32k() {
  for (unsigned i = 0; i < 200; ++i) {
    relay_pairs->to_client(bulk);
  }
  return 200;
}

[[gnu::noinline]] unsigned hot_path_choose_of_30_backends() {
  std::uint64_t sum = 0;
  for (unsigned i = 0; i < 200; ++i) {
    const std::uint64_t user = balance::user_key("user" + std::to_string(i) + "@example.org");
    sum += balance::choose(*backend_set, {.user = user}).value_or(0);
  }
  require(sum > 0, "every user went to the first backend");
  return 200;
}

// These two are entered for each unit: the client's own TLS stays outside.

[[gnu::noinline]] void hot_path_relay_tls_noop(unsigned client_ready, unsigned backend_ready) {
  relay_under_tls->relay().run(client_ready, backend_ready);
}

[[gnu::noinline]] void hot_path_relay_tls_bulk_32k() {
  relay_under_tls->relay().run(0, net::kReadable);
}

}  // extern "C"

namespace {

unsigned run_relay_tls_noop() {
  constexpr std::string_view kCommand = "a17 NOOP\r\n";
  constexpr std::string_view kReply = "a17 OK NOOP completed\r\n";
  for (unsigned i = 0; i < 200; ++i) {
    relay_under_tls->client_says(kCommand);
    hot_path_relay_tls_noop(net::kReadable, 0);
    relay_under_tls->backend_hears(kCommand.size());
    relay_under_tls->backend_says(kReply);
    hot_path_relay_tls_noop(0, net::kReadable);
    relay_under_tls->client_hears(kReply.size());
  }
  return 200;
}

unsigned run_relay_tls_bulk_32k() {
  for (unsigned i = 0; i < 50; ++i) {
    relay_under_tls->backend_says(bulk);
    hot_path_relay_tls_bulk_32k();
    relay_under_tls->client_hears(bulk.size());
  }
  return 50;
}

struct HotPath {
  std::string_view name;
  unsigned (*run)();
};

constexpr HotPath kHotPaths[] = {
    {"client_login", hot_path_client_login},
    {"client_login_byte_by_byte", hot_path_client_login_byte_by_byte},
    {"backend_login", hot_path_backend_login},
    {"relay_noop", hot_path_relay_noop},
    {"relay_bulk_32k", hot_path_relay_bulk_32k},
    {"relay_tls_noop", run_relay_tls_noop},
    {"relay_tls_bulk_32k", run_relay_tls_bulk_32k},
    {"choose_of_30_backends", hot_path_choose_of_30_backends},
};

balance::BackendSet make_backend_set() {
  balance::BackendSet set;
  for (int i = 0; i < 30; ++i) {
    balance::Backend backend;
    backend.address.host = "mail" + std::to_string(i) + ".example.org";
    backend.address.port = 143;
    backend.endpoints = {Endpoint{}};
    backend.hash = balance::backend_key(backend.address);
    backend.state = std::make_shared<balance::BackendState>();
    set.backends.push_back(std::move(backend));
  }
  balance::prepare(set);
  return set;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view wanted = argc == 2 ? argv[1] : "";
  RelayBetweenPairs pairs;
  balance::BackendSet set = make_backend_set();
  bench::RelayUnderTls under_tls;
  relay_pairs = &pairs;
  relay_under_tls = &under_tls;
  backend_set = &set;
  profile();
  for (const HotPath& path : kHotPaths) {
    if (wanted == "--list") {
      std::printf("%s\n", path.name.data());
    } else if (wanted == path.name) {
      std::printf("%u\n", path.run());
      return 0;
    }
  }
  return wanted == "--list" ? 0 : 2;
}
