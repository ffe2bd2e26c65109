#include "admin/server.h"

#include <civetweb.h>
#include <fmt/format.h>
#include <prometheus/text_serializer.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <future>
#include <mutex>
#include <optional>
#include <sstream>
#include <thread>
#include <utility>

#include "admin/json.h"
#include "admin/request_parts.h"
#include "base/log.h"
#include "base/unique_fd.h"

namespace headgate::admin {
namespace {

constexpr std::size_t kLargestHead = 16384;  // request line and header lines
constexpr unsigned kCivetWebIpv6 = 8;        // of mg_check_feature; the header has no name for it
constexpr int kWaitingConnections = 32;      // accepted, but no thread free yet

std::string_view reason(int status) {
  const char* text = ::mg_get_response_code_text(nullptr, status);
  return text != nullptr ? text : "Unknown";
}

// One write for the whole answer, so that a small page leaves as one segment.
void send(mg_connection* connection, const Response& response, bool with_body) {
  std::string out = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n"
      "X-Content-Type-Options: nosniff\r\n{}Connection: close\r\n\r\n",
      response.status, reason(response.status), response.content_type, response.body.size(),
      response.headers);
  if (with_body) {
    out += response.body;
  }
  ::mg_write(connection, out.data(), out.size());
}

// nullopt: more than `limit` bytes.
std::optional<std::string> read_body(mg_connection* connection, std::int64_t announced,
                                     std::size_t limit) {
  std::string body;
  if (announced > static_cast<std::int64_t>(limit)) {
    return std::nullopt;
  }
  std::array<char, 4096> chunk{};
  for (;;) {
    const int length = ::mg_read(connection, chunk.data(), chunk.size());
    if (length <= 0) {
      return body;
    }
    body.append(chunk.data(), static_cast<std::size_t>(length));
    if (body.size() > limit) {
      return std::nullopt;
    }
  }
}

Response text(int status, std::string body) {
  return {.status = status,
          .content_type = "text/plain; charset=utf-8",
          .body = std::move(body),
          .headers = {}};
}

}  // namespace

Response json_error(int status, std::string_view what) {
  return {.status = status,
          .content_type = "application/json",
          .body = fmt::format("{{\"error\":{}}}\n", json_string(what)),
          .headers = {}};
}

struct Server::Impl {
  explicit Impl(Options given) : options(std::move(given)) { add_own_routes(); }
  ~Impl() { stop(); }

  void add_own_routes();
  std::expected<void, std::string> start();
  void stop() const;
  Response answer(mg_connection* connection, const mg_request_info& info) const;

  static Impl& of(const mg_connection* connection) {
    return *static_cast<Impl*>(::mg_get_user_data(::mg_get_context(connection)));
  }
  static int on_request(mg_connection* connection);
  static int on_http_error(mg_connection* connection, int status, const char* what);
  static int on_log(const mg_connection* connection, const char* message);

  // A request for as long as it is answered; `count`: how many there are, it included.
  struct Busy {
    Busy(std::atomic<unsigned>& all, unsigned one)
        : requests(all), mine(one), count(all.fetch_add(one) + one) {}
    ~Busy() { requests.fetch_sub(mine); }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;
    std::atomic<unsigned>& requests;
    const unsigned mine;
    const unsigned count;
  };

  Options options;
  std::size_t routes_given = 0;
  mutable std::atomic<unsigned> under_way{0};  // of those
  mg_context* context = nullptr;
  Endpoint bound;
  std::mutex mutex;
  bool started = false;     // guarded by mutex, as is
  std::string first_error;  // what CivetWeb said while it started
};

void Server::Impl::add_own_routes() {
  routes_given = options.routes.size();
  options.routes.push_back({"GET", "/healthz", [](const Request&) { return text(200, "ok\n"); }});
  options.routes.push_back({"GET", "/readyz", [this](const Request&) {
                              const Readiness now =
                                  options.readiness ? options.readiness() : Readiness{};
                              return now.ready ? text(200, "ready\n") : json_error(503, now.why);
                            }});
  if (options.metrics != nullptr) {
    options.routes.push_back(
        {"GET", "/metrics", [this](const Request&) {
           std::ostringstream page;
           prometheus::TextSerializer().Serialize(page, options.metrics->Collect());
           return Response{.status = 200,
                           .content_type = "text/plain; version=0.0.4; charset=utf-8",
                           .body = std::move(page).str(),
                           .headers = {}};
         }});
  }
}

Response Server::Impl::answer(mg_connection* connection, const mg_request_info& info) const {
  const std::string_view path = info.local_uri != nullptr ? info.local_uri : "";
  const std::string_view sent = info.request_method;
  const std::string_view method = sent == "HEAD" ? "GET" : sent;
  const Route* found = nullptr;
  std::vector<std::string_view> segments;
  std::string allow;
  for (const Route& route : options.routes) {
    if (auto matched = match_path(route.path, path)) {
      if (route.method == method) {
        found = &route;
        segments = std::move(*matched);
        break;
      }
      allow += (allow.empty() ? "" : ", ") + route.method + (route.method == "GET" ? ", HEAD" : "");
    }
  }
  if (found == nullptr) {
    if (allow.empty()) {
      return json_error(404, "no such path");
    }
    Response refused = json_error(405, "this path takes " + allow);
    refused.headers = "Allow: " + allow + "\r\n";
    return refused;
  }
  // The own routes stand behind those of the options.
  const bool own = found - options.routes.data() >= static_cast<std::ptrdiff_t>(routes_given);
  const Busy busy(under_way, own ? 0 : 1);
  if (!own && busy.count > options.threads - std::min(options.kept_free, options.threads - 1)) {
    Response refused = json_error(503, "as many requests as there may be are under way");
    refused.headers = "Retry-After: 1\r\n";
    return refused;
  }
  const auto body = read_body(connection, info.content_length, options.max_body);
  if (!body) {
    return json_error(413, fmt::format("at most {} bytes are taken", options.max_body));
  }
  const char* authorization = ::mg_get_header(connection, "Authorization");
  return found->handle({.method = method,
                        .path = path,
                        .query = info.query_string != nullptr ? info.query_string : "",
                        .body = *body,
                        .authorization = authorization != nullptr ? authorization : "",
                        .peer = info.remote_addr,
                        .segments = std::move(segments)});
}

int Server::Impl::on_request(mg_connection* connection) {
  const mg_request_info* info = ::mg_get_request_info(connection);
  const Response response = of(connection).answer(connection, *info);
  send(connection, response, std::string_view(info->request_method) != "HEAD");
  return response.status;
}

// What CivetWeb refuses on its own: broken, too large or slow requests.
int Server::Impl::on_http_error(mg_connection* connection, int status, const char* /*what*/) {
  send(connection, json_error(status, reason(status)), true);
  return 0;
}

int Server::Impl::on_log(const mg_connection* connection, const char* message) {
  Impl& self = of(connection);
  {
    const std::lock_guard lock(self.mutex);
    if (!self.started) {
      if (self.first_error.empty()) {
        self.first_error = message;
      }
      return 1;
    }
  }
  // Whatever a peer does wrong; of no use to an operator unless asked for.
  log::debug("admin interface", {{"message", message}});
  return 1;
}

std::expected<void, std::string> can_listen(const Endpoint& address) {
  if (address.ip.is_v6() && ::mg_check_feature(kCivetWebIpv6) == 0) {
    return std::unexpected(fmt::format(
        "admin {}: expected an IPv4 address, since this system's CivetWeb is built without IPv6",
        address.to_string()));
  }
  return {};
}

std::expected<void, std::string> Server::Impl::start() {
  const std::string address = options.address.to_string();
  if (const auto able = can_listen(options.address); !able) {
    return able;
  }
  const std::string threads = std::to_string(std::max(options.threads, 1U));
  const std::string timeout =
      std::to_string(std::max<std::int64_t>(options.request_timeout.count(), 1));
  const std::string head = std::to_string(kLargestHead);
  const std::string waiting = std::to_string(kWaitingConnections);
  const std::array settings = {"listening_ports",
                               address.c_str(),
                               "num_threads",
                               threads.c_str(),
                               "request_timeout_ms",
                               timeout.c_str(),
                               "max_request_size",
                               head.c_str(),
                               "connection_queue",
                               waiting.c_str(),
                               "enable_keep_alive",
                               "no",
                               static_cast<const char*>(nullptr)};
  mg_callbacks callbacks{};
  callbacks.begin_request = on_request;
  callbacks.http_error = on_http_error;
  callbacks.log_message = on_log;
  // The settings are copied; the declaration only lacks a const.
  context = ::mg_start(&callbacks, this, const_cast<const char**>(settings.data()));
  const std::lock_guard lock(mutex);
  started = true;
  if (context == nullptr) {
    return std::unexpected(
        fmt::format("admin {}: {}", address, first_error.empty() ? "cannot start" : first_error));
  }
  mg_server_port port{};
  bound = options.address;
  if (::mg_get_server_ports(context, 1, &port) == 1) {
    bound.port = static_cast<std::uint16_t>(port.port);
  }
  return {};
}

// CivetWeb's accepting thread looks at its stop flag only every two seconds or when somebody
// connects. Connecting until it is gone makes a shutdown a matter of milliseconds.
void Server::Impl::stop() const {
  if (context == nullptr) {
    return;
  }
  std::promise<void> stopped;
  const std::future<void> gone = stopped.get_future();
  std::thread stopper([&] {
    ::mg_stop(context);
    stopped.set_value();
  });
  sockaddr_storage storage{};
  const socklen_t length = bound.to_sockaddr(storage);
  while (gone.wait_for(std::chrono::milliseconds(5)) == std::future_status::timeout) {
    const UniqueFd fd(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    // Whether it succeeds does not matter: the next round tries again.
    [[maybe_unused]] const int result =
        fd ? ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length) : -1;
  }
  stopper.join();
}

std::expected<std::unique_ptr<Server>, std::string> Server::start(Options options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  if (auto started = impl->start(); !started) {
    return std::unexpected(std::move(started.error()));
  }
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Endpoint Server::endpoint() const {
  return impl_->bound;
}

}  // namespace headgate::admin
