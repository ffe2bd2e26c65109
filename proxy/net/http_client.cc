#include "net/http_client.h"

#include <curl/curl.h>

#include <map>
#include <utility>

#include "net/http_transfer.h"
#include "net/io_watcher.h"

namespace headgate::net {
namespace {

// How often libcurl may ask for "at once" in a row before the rest of the loop has its turn.
constexpr int kMostKicks = 16;
// Answers that were delivered while their body is still read; more of them give up the connection.
constexpr std::size_t kMostDraining = 64;

// Before libcurl's first use; it has to happen once, on whichever thread comes first.
CURLM* make_multi() {
  static const CURLcode initialized = curl_global_init(CURL_GLOBAL_DEFAULT);
  return initialized == CURLE_OK ? curl_multi_init() : nullptr;
}

}  // namespace

// libcurl says which sockets and which time it waits for (its multi_socket interface), and is told
// here what became ready. It must not be called from its own callbacks: what those learn is noted,
// and acted on once it has returned.
struct HttpClient::Impl {
  Impl(Loop& on, TimerWheel& wheel, Options wanted);
  ~Impl();

  Id send(HttpRequest request, Done done);
  void cancel(Id id);

  // One socket under watch; lives until its watcher is closed.
  struct Watch {
    Impl* impl = nullptr;
    curl_socket_t fd = CURL_SOCKET_BAD;
    IoWatcher watcher;
  };

  void act(curl_socket_t fd, int ready);
  void collect();
  void deliver();
  void drop(Id id);
  void heed_kick();
  void want_turn_end();
  void on_turn_end();

  static int on_socket(CURL* easy, curl_socket_t fd, int what, void* self, void* socket);
  static int on_timeout(CURLM* multi, long ms, void* self);
  static void on_ready(void* watch, unsigned ready) noexcept;
  static void on_time(void* self) noexcept;
  static void on_head(void* self, HttpTransfer& transfer) noexcept;

  Loop& loop;
  TimerWheel& timers;
  const Options options;
  CURLM* multi;
  Timer timer{this, &Impl::on_time};
  TurnEnd turn_end;
  Id last_id = 0;
  std::map<Id, std::unique_ptr<HttpTransfer>> transfers;
  std::vector<Id> answered;  // the head is there, the callback is due
  std::size_t draining = 0;
  bool kick = false;      // libcurl wants to be called at once
  bool turn_due = false;  // on_turn_end() has something to do
};

HttpClient::Impl::Impl(Loop& on, TimerWheel& wheel, Options wanted)
    : loop(on),
      timers(wheel),
      options(std::move(wanted)),
      multi(make_multi()),
      turn_end(on, [this] { on_turn_end(); }) {
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &Impl::on_socket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &Impl::on_timeout);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(options.idle_connections));
}

HttpClient::Impl::~Impl() {
  while (!transfers.empty()) {
    drop(transfers.begin()->first);
  }
  curl_multi_cleanup(multi);  // closes the sockets; on_socket() hears of each
}

HttpClient::Id HttpClient::Impl::send(HttpRequest request, Done done) {
  const Id id = ++last_id;
  auto transfer = std::make_unique<HttpTransfer>(id, std::move(request), std::move(done), options,
                                                 HttpTransfer::Listener{this, &Impl::on_head});
  curl_multi_add_handle(multi, transfer->easy());
  transfers.emplace(id, std::move(transfer));
  want_turn_end();
  return id;
}

void HttpClient::Impl::cancel(Id id) {
  if (const auto found = transfers.find(id); found != transfers.end()) {
    draining -= found->second->answered() ? 1 : 0;
    drop(id);
    heed_kick();
  }
}

void HttpClient::Impl::drop(Id id) {
  const auto found = transfers.find(id);
  curl_multi_remove_handle(multi, found->second->easy());
  transfers.erase(found);
}

void HttpClient::Impl::act(curl_socket_t fd, int ready) {
  int running = 0;
  curl_multi_socket_action(multi, fd, ready, &running);
  for (int i = 0; i < kMostKicks && std::exchange(kick, false); ++i) {
    curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
  }
  deliver();
  collect();
  heed_kick();
}

// libcurl says "at once" only once.
void HttpClient::Impl::heed_kick() {
  if (kick) {
    want_turn_end();
  }
}

// Those whose last header has come.
void HttpClient::Impl::deliver() {
  for (const Id id : std::exchange(answered, {})) {
    const auto found = transfers.find(id);
    if (found == transfers.end() || found->second->answered()) {
      continue;  // cancelled by the callback of another
    }
    HttpReply reply = found->second->take_reply();
    const Done done = found->second->take_done();
    if (found->second->keep_alive() && draining < kMostDraining) {
      ++draining;  // its connection will serve again
    } else {
      drop(id);
    }
    done(std::move(reply));
  }
}

// Those that are over.
void HttpClient::Impl::collect() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
    HttpTransfer* transfer = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    const CURLcode code = message->data.result;
    if (transfer->answered()) {
      --draining;
      drop(transfer->id());
      continue;
    }
    auto result = transfer->result(code);
    const Done done = transfer->take_done();
    drop(transfer->id());
    done(std::move(result));
  }
}

void HttpClient::Impl::want_turn_end() {
  turn_due = true;
  turn_end.set_busy(true);
}

void HttpClient::Impl::on_turn_end() {
  if (!std::exchange(turn_due, false)) {
    return;
  }
  turn_end.set_busy(false);
  kick = false;
  act(CURL_SOCKET_TIMEOUT, 0);
}

int HttpClient::Impl::on_socket(CURL* /*easy*/, curl_socket_t fd, int what, void* self,
                                void* socket) {
  auto* impl = static_cast<Impl*>(self);
  auto* watch = static_cast<Watch*>(socket);
  if (what == CURL_POLL_REMOVE) {
    if (watch != nullptr) {
      curl_multi_assign(impl->multi, fd, nullptr);
      watch->watcher.close([](void* closed) noexcept { delete static_cast<Watch*>(closed); });
    }
    return 0;
  }
  if (watch == nullptr) {
    watch = new Watch{impl, fd, {}};
    watch->watcher.open(impl->loop, fd, watch, &Impl::on_ready);
    curl_multi_assign(impl->multi, fd, watch);
  }
  watch->watcher.want((what & CURL_POLL_IN ? kReadable : 0U) |
                      (what & CURL_POLL_OUT ? kWritable : 0U));
  return 0;
}

int HttpClient::Impl::on_timeout(CURLM* /*multi*/, long ms, void* self) {
  auto* impl = static_cast<Impl*>(self);
  impl->kick = ms == 0;
  if (ms > 0) {
    impl->timers.arm(impl->timer, static_cast<std::uint64_t>(ms));
  } else {
    impl->timer.cancel();
  }
  return 0;
}

void HttpClient::Impl::on_ready(void* socket, unsigned ready) noexcept {
  const auto* watch = static_cast<const Watch*>(socket);
  int mask = 0;
  mask |= ready & (kReadable | kHangup) ? CURL_CSELECT_IN : 0;
  mask |= ready & kWritable ? CURL_CSELECT_OUT : 0;
  watch->impl->act(watch->fd, mask);
}

void HttpClient::Impl::on_time(void* self) noexcept {
  static_cast<Impl*>(self)->act(CURL_SOCKET_TIMEOUT, 0);
}

void HttpClient::Impl::on_head(void* self, HttpTransfer& transfer) noexcept {
  if (transfer.head_only()) {
    static_cast<Impl*>(self)->answered.push_back(transfer.id());
  }
}

HttpClient::HttpClient(Loop& loop, TimerWheel& timers, Options options)
    : impl_(std::make_unique<Impl>(loop, timers, std::move(options))) {}

HttpClient::~HttpClient() = default;

HttpClient::Id HttpClient::send(HttpRequest request, Done done) {
  return impl_->send(std::move(request), std::move(done));
}

void HttpClient::cancel(Id id) {
  impl_->cancel(id);
}

}  // namespace headgate::net
