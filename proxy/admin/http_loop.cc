#include "admin/http_loop.h"

#include <fmt/format.h>
#include <microhttpd.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "admin/connections.h"
#include "admin/crew.h"
#include "admin/http_reply.h"
#include "admin/request_parts.h"
#include "base/c_ptr.h"
#include "base/log.h"
#include "base/thread_name.h"
#include "base/unique_fd.h"

namespace headgate::admin {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kLargestHead = 16384;  // request line and header lines
// What the library may take for a connection; more it would map anew for each. A head that does not
// fit gets the library's own words instead of JSON.
constexpr std::size_t kConnectionMemory = 32768;
constexpr std::size_t kMostBodies = 16;  // of the largest size, held at a time
// Read of a body that is refused before the connection is closed over it, which makes the kernel
// send a reset that may overtake the answer.
constexpr std::size_t kMostDiscarded = 4UL * 1024 * 1024;
constexpr milliseconds kLastWords{500};  // for clients to take their answers at the end
constexpr milliseconds kPauseAfterFailure{100};

using Daemon = CPtr<MHD_Daemon, MHD_stop_daemon>;

std::string_view view(const char* text) {
  return text != nullptr ? text : std::string_view();
}

// libmicrohttpd's own decoding makes "%00" the end of a path; see split_target().
std::size_t keep_as_sent(void*, MHD_Connection*, char* text) {
  return std::strlen(text);
}

}  // namespace

struct HttpLoop::Impl {
  // A request, from its first line until its answer is gone.
  struct Exchange {
    MHD_Connection* connection;
    Connection* from;
    std::string target;  // as sent
    std::string path;
    std::string body;
    Request request;  // borrows from those and from the library
    std::optional<Target> to;
    std::optional<Response> answer;
    bool begun = false;
    std::size_t discarded = 0;
  };

  Impl(std::vector<Listening> sockets, Limits wanted, Find ask,
       std::shared_ptr<metrics::AdminMetrics> counts)
      : listening(std::move(sockets)),
        limits(wanted),
        find(std::move(ask)),
        metrics(std::move(counts)),
        connections(limits.request_timeout, *metrics),
        crew(limits.threads) {}
  ~Impl();

  std::expected<void, std::string> start();
  void serve();
  int wait_for_news(std::optional<Clock::time_point> until);
  void accept_all();
  bool accept_one(const Listening& socket);
  void take_finished();
  void begin_to_stop(Clock::time_point now);  // where that is wanted
  [[nodiscard]] bool may_stop(Clock::time_point now) const;

  MHD_Result begin(Exchange& exchange);
  std::expected<Target, Response> judge_head(Exchange& exchange);
  static std::string_view header(const Exchange& exchange, const char* name);  // empty: none
  static std::uint64_t announced(const Exchange& exchange);  // by Content-Length; 0: nothing
  [[nodiscard]] Response too_large() const;
  void take_body(Exchange& exchange, std::string_view chunk);
  bool dispatch(Exchange& exchange);  // false: it has its answer
  MHD_Result reply(Exchange& exchange);
  void finish(Exchange& exchange, Response response);
  void wake() const;

  static void* on_line(void*, const char* uri, MHD_Connection* connection);
  static MHD_Result on_request(void* self, MHD_Connection* connection, const char* url,
                               const char* method, const char* version, const char* data,
                               std::size_t* size, void** state);
  static void on_completed(void* self, MHD_Connection* connection, void** state,
                           MHD_RequestTerminationCode why);
  static void on_connection(void* self, MHD_Connection* connection, void** state,
                            MHD_ConnectionNotificationCode what);
  static void on_log(void* self, const char* format, va_list values);

  std::vector<Listening> listening;
  const Limits limits;
  const Find find;
  const std::string farewell = too_slow();
  std::string first_error;  // what the library said while it started
  bool started = false;
  UniqueFd news;  // an eventfd: something for the loop's thread

  // The loop's thread alone has to do with these.
  const std::shared_ptr<metrics::AdminMetrics> metrics;
  Connections connections;
  unsigned under_way = 0;  // requests at a thread that are not own
  std::size_t held = 0;    // bytes of bodies
  Clock::time_point no_accept_before;
  std::optional<Clock::time_point> stopping_since;
  Daemon daemon;

  std::mutex mutex;
  std::vector<std::pair<Exchange*, Response>> finished;  // guarded by mutex, as is
  bool stopping = false;

  std::thread thread;
  Crew crew;  // ends first
};

HttpLoop::Impl::~Impl() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
  }
  if (thread.joinable()) {
    wake();
    thread.join();
  }
}

void HttpLoop::Impl::wake() const {
  // It fails only when the count is at its end, and then the loop is awake.
  [[maybe_unused]] const int result = ::eventfd_write(news.get(), 1);
}

std::expected<void, std::string> HttpLoop::Impl::start() {
  news = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!news) {
    return std::unexpected(fmt::format("eventfd: {}", std::strerror(errno)));
  }
  // The loop accepts by itself and gives the library connections: so one daemon serves sockets of
  // all kinds, and who is at the other end is known. No timeout: Connections has deadlines, which
  // the library's, from byte to byte, are not.
  daemon.reset(::MHD_start_daemon(
      MHD_USE_EPOLL | MHD_USE_ERROR_LOG | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0,
      nullptr, nullptr, &on_request, this,                                     //
      MHD_OPTION_EXTERNAL_LOGGER, &on_log, this,                               //
      MHD_OPTION_CONNECTION_LIMIT, static_cast<unsigned>(Connections::kMost),  //
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemory,                   //
      MHD_OPTION_UNESCAPE_CALLBACK, &keep_as_sent, nullptr,                    //
      MHD_OPTION_URI_LOG_CALLBACK, &on_line, nullptr,                          //
      MHD_OPTION_NOTIFY_COMPLETED, &on_completed, this,                        //
      MHD_OPTION_NOTIFY_CONNECTION, &on_connection, this,                      //
      MHD_OPTION_END));
  if (!daemon) {
    return std::unexpected(first_error.empty() ? "libmicrohttpd cannot start" : first_error);
  }
  started = true;
  thread = std::thread([this] { serve(); });
  return {};
}

void HttpLoop::Impl::serve() {
  name_this_thread("admin http");
  give_way_to_workers();
  for (;;) {
    const Clock::time_point now = Clock::now();
    begin_to_stop(now);
    std::optional<Clock::time_point> until = connections.cut(now, farewell);
    if (may_stop(now)) {
      break;
    }
    if (no_accept_before > now) {
      until = std::min(until.value_or(no_accept_before), no_accept_before);
    }
    MHD_UNSIGNED_LONG_LONG library_ms = 0;
    if (::MHD_get_timeout(daemon.get(), &library_ms) == MHD_YES) {
      const auto library = now + milliseconds(std::min<std::uint64_t>(library_ms, 60'000));
      until = std::min(until.value_or(library), library);
    }
    if (wait_for_news(until) > 0) {
      accept_all();
    }
    take_finished();
    ::MHD_run(daemon.get());
  }
  daemon.reset();  // closes what is left
}

// How many of the listening sockets have something.
int HttpLoop::Impl::wait_for_news(std::optional<Clock::time_point> until) {
  const Clock::time_point now = Clock::now();
  const bool takes = !connections.full() && now >= no_accept_before;
  std::vector<pollfd> fds;
  fds.push_back({.fd = news.get(), .events = POLLIN, .revents = 0});
  fds.push_back({.fd = ::MHD_get_daemon_info(daemon.get(), MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
                 .events = POLLIN,
                 .revents = 0});
  for (const Listening& socket : listening) {
    fds.push_back({.fd = takes ? socket.fd() : -1, .events = POLLIN, .revents = 0});
  }
  // Rounded up, so that the moment has come when poll() returns.
  const int wait =
      until ? static_cast<int>(std::max(std::chrono::ceil<milliseconds>(*until - now).count(),
                                        milliseconds::rep{0}))
            : -1;
  if (::poll(fds.data(), fds.size(), wait) <= 0) {
    return 0;
  }
  if (fds[0].revents != 0) {
    eventfd_t count = 0;
    ::eventfd_read(news.get(), &count);
  }
  return static_cast<int>(
      std::count_if(fds.begin() + 2, fds.end(), [](const pollfd& fd) { return fd.revents != 0; }));
}

void HttpLoop::Impl::accept_all() {
  for (const Listening& socket : listening) {
    while (socket.fd() >= 0 && !connections.full() && accept_one(socket)) {
    }
  }
}

// False: nobody waits there, or the system has no room for more.
bool HttpLoop::Impl::accept_one(const Listening& socket) {
  auto accepted = socket.accept();
  if (!accepted) {
    const int error = accepted.error();
    if (error != EAGAIN && error != ECONNABORTED) {
      log::debug("admin interface", {{"message", std::strerror(error)}});
      no_accept_before = Clock::now() + kPauseAfterFailure;
    }
    return error == ECONNABORTED;
  }
  if (!connections.takes(socket.via(), accepted->peer)) {
    log::debug("admin interface",
               {{"message", "too many connections"}, {"client", accepted->peer}});
    return true;
  }
  const int number = accepted->fd.get();
  connections.add({.fd = number,
                   .via = socket.via(),
                   .peer = std::move(accepted->peer),
                   .phase = Phase::kReading,
                   .since = Clock::now()});
  // The library closes it, also when this fails.
  if (::MHD_add_connection(daemon.get(), accepted->fd.release(),
                           reinterpret_cast<const sockaddr*>(&accepted->address),
                           accepted->length) != MHD_YES) {
    if (const Connection* left = connections.find(number)) {
      connections.remove(*left);
    }
  }
  return true;
}

void HttpLoop::Impl::begin_to_stop(Clock::time_point now) {
  const std::lock_guard lock(mutex);
  if (stopping && !stopping_since) {
    stopping_since = now;
    listening.clear();  // socket files go here
    connections.hurry(kLastWords);
  }
}

bool HttpLoop::Impl::may_stop(Clock::time_point now) const {
  return stopping_since && (connections.empty() || (connections.in(Phase::kAnswering) == 0 &&
                                                    now >= *stopping_since + kLastWords));
}

// Answers that threads have made: the library asks for them when their connections go on.
void HttpLoop::Impl::take_finished() {
  std::vector<std::pair<Exchange*, Response>> all;
  {
    const std::lock_guard lock(mutex);
    all.swap(finished);
  }
  for (auto& [exchange, answer] : all) {
    exchange->answer = std::move(answer);
    under_way -= exchange->to->own ? 0 : 1;
    ::MHD_resume_connection(exchange->connection);
  }
}

void* HttpLoop::Impl::on_line(void*, const char* uri, MHD_Connection* connection) {
  const auto* info = ::MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return new Exchange{.connection = connection,
                      .from = static_cast<Connection*>(info->socket_context),
                      .target = std::string(view(uri)),
                      .path = {},
                      .body = {},
                      .request = {},
                      .to = {},
                      .answer = {}};
}

// Called for the head, for each piece of the body, at the end of the request, and when its
// connection goes on with an answer.
MHD_Result HttpLoop::Impl::on_request(void* self, MHD_Connection*, const char*, const char* method,
                                      const char*, const char* data, std::size_t* size,
                                      void** state) {
  Impl& loop = *static_cast<Impl*>(self);
  Exchange& exchange = *static_cast<Exchange*>(*state);
  if (!exchange.begun) {
    exchange.request.method = view(method);
    return loop.begin(exchange);
  }
  if (*size > 0) {
    loop.take_body(exchange, {data, *size});
    *size = 0;
    return exchange.discarded > kMostDiscarded ? MHD_NO : MHD_YES;
  }
  // From a dispatch on the exchange is another thread's, until its answer comes back.
  return exchange.answer || !loop.dispatch(exchange) ? loop.reply(exchange) : MHD_YES;
}

MHD_Result HttpLoop::Impl::begin(Exchange& exchange) {
  exchange.begun = true;
  auto target = judge_head(exchange);
  if (target) {
    exchange.to = *target;
    return MHD_YES;
  }
  exchange.answer = std::move(target.error());
  // Else the body is read before, but not of a client that asks first whether to send it, nor
  // where it is longer than that is worth.
  const bool asks = !header(exchange, MHD_HTTP_HEADER_EXPECT).empty();
  return asks || announced(exchange) > kMostDiscarded ? reply(exchange) : MHD_YES;
}

std::string_view HttpLoop::Impl::header(const Exchange& exchange, const char* name) {
  return view(::MHD_lookup_connection_value(exchange.connection, MHD_HEADER_KIND, name));
}

std::uint64_t HttpLoop::Impl::announced(const Exchange& exchange) {
  const std::string_view text = header(exchange, MHD_HTTP_HEADER_CONTENT_LENGTH);
  std::uint64_t length = 0;  // the library has seen to it that it is one
  std::from_chars(text.data(), text.data() + text.size(), length);
  return length;
}

std::expected<HttpLoop::Target, Response> HttpLoop::Impl::judge_head(Exchange& exchange) {
  const auto* size =
      ::MHD_get_connection_info(exchange.connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
  if (size->header_size > kLargestHead) {
    return std::unexpected(json_error(MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE,
                                      fmt::format("at most {} bytes of headers", kLargestHead)));
  }
  auto parts = split_target(exchange.target);
  if (!parts) {
    return std::unexpected(json_error(MHD_HTTP_BAD_REQUEST, parts.error()));
  }
  exchange.path = std::move(parts->path);
  Request& request = exchange.request;
  request.method = request.method == "HEAD" ? "GET" : request.method;
  request.path = exchange.path;
  request.query = parts->query;
  request.authorization = header(exchange, MHD_HTTP_HEADER_AUTHORIZATION);
  request.peer = exchange.from->peer;
  request.via = exchange.from->via;
  auto target = find(request);
  if (target && announced(exchange) > limits.max_body) {
    return std::unexpected(too_large());
  }
  return target;
}

Response HttpLoop::Impl::too_large() const {
  return json_error(MHD_HTTP_CONTENT_TOO_LARGE,
                    fmt::format("at most {} bytes are taken", limits.max_body));
}

void HttpLoop::Impl::take_body(Exchange& exchange, std::string_view chunk) {
  if (exchange.answer) {
    exchange.discarded += chunk.size();
    return;
  }
  if (exchange.body.size() + chunk.size() > limits.max_body) {
    exchange.answer = too_large();
  } else if (held + chunk.size() > kMostBodies * limits.max_body) {
    exchange.answer = busy();
  } else {
    exchange.body += chunk;
    held += chunk.size();
  }
}

bool HttpLoop::Impl::dispatch(Exchange& exchange) {
  const bool own = exchange.to->own;
  const unsigned most =
      std::max(limits.threads, 1U) - std::min(limits.kept_free, std::max(limits.threads, 1U) - 1);
  if (!own && under_way >= most) {
    exchange.answer = busy();
    return false;
  }
  under_way += own ? 0 : 1;
  exchange.request.body = exchange.body;
  exchange.from->phase = Phase::kAnswering;
  ::MHD_suspend_connection(exchange.connection);
  crew.give([this, &exchange] { finish(exchange, exchange.to->route->handle(exchange.request)); });
  return true;
}

// On a thread of the crew.
void HttpLoop::Impl::finish(Exchange& exchange, Response response) {
  {
    const std::lock_guard lock(mutex);
    finished.emplace_back(&exchange, std::move(response));
  }
  wake();
}

MHD_Result HttpLoop::Impl::reply(Exchange& exchange) {
  exchange.from->phase = Phase::kSending;
  exchange.from->since = Clock::now();
  const auto status = static_cast<unsigned>(exchange.answer->status);
  metrics->count_request(exchange.answer->status);
  const Reply made = make_reply(*std::move(exchange.answer));
  return made ? ::MHD_queue_response(exchange.connection, status, made.get()) : MHD_NO;
}

void HttpLoop::Impl::on_completed(void* self, MHD_Connection*, void** state,
                                  MHD_RequestTerminationCode) {
  const std::unique_ptr<Exchange> exchange(static_cast<Exchange*>(*state));
  if (exchange) {
    static_cast<Impl*>(self)->held -= exchange->body.size();
  }
  *state = nullptr;
}

void HttpLoop::Impl::on_connection(void* self, MHD_Connection* connection, void** state,
                                   MHD_ConnectionNotificationCode what) {
  Connections& connections = static_cast<Impl*>(self)->connections;
  if (what == MHD_CONNECTION_NOTIFY_STARTED) {
    const auto* info = ::MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *state = connections.find(info->connect_fd);
  } else if (*state != nullptr) {
    connections.remove(*static_cast<Connection*>(*state));
  }
}

// While it runs: whatever a client does wrong; of no use to an operator unless asked for.
void HttpLoop::Impl::on_log(void* self, const char* format, va_list values) {
  Impl& loop = *static_cast<Impl*>(self);
  // The library tries the options of TCP on Unix sockets too, and warns of delays that are none.
  const std::string_view what = format;
  const bool of_no_concern =
      what.starts_with("Setting %s option") || what.starts_with("Failed to push the data");
  if (loop.started && (of_no_concern || !log::enabled(log::Level::kDebug))) {
    return;
  }
  std::array<char, 512> line{};
  const int length = std::vsnprintf(line.data(), line.size(), format, values);
  std::string_view text(line.data(), std::clamp<int>(length, 0, line.size() - 1));
  while (text.ends_with('\n')) {
    text.remove_suffix(1);
  }
  if (loop.started) {
    log::debug("admin interface", {{"message", text}});
  } else if (loop.first_error.empty()) {
    loop.first_error = text;
  }
}

std::expected<std::unique_ptr<HttpLoop>, std::string> HttpLoop::start(
    std::vector<Listening> listening, Limits limits, Find find,
    std::shared_ptr<metrics::AdminMetrics> metrics) {
  auto impl =
      std::make_unique<Impl>(std::move(listening), limits, std::move(find), std::move(metrics));
  if (auto started = impl->start(); !started) {
    return std::unexpected(std::move(started.error()));
  }
  return std::unique_ptr<HttpLoop>(new HttpLoop(std::move(impl)));
}

HttpLoop::HttpLoop(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpLoop::~HttpLoop() = default;

}  // namespace headgate::admin
