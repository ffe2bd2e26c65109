#include "admin/server.h"

#include <fmt/format.h>

#include <utility>

#include "admin/http_loop.h"
#include "admin/json.h"
#include "admin/request_parts.h"

namespace headgate::admin {
namespace {

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

  void add_own_routes();
  std::expected<void, std::string> start();
  [[nodiscard]] std::expected<HttpLoop::Target, Response> find(Request& request) const;

  Options options;
  std::size_t routes_given = 0;
  std::vector<LocalAddress> bound;
  std::unique_ptr<HttpLoop> loop;  // calls into the above
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
    options.routes.push_back({"GET", "/metrics", [this](const Request&) {
                                return Response{
                                    .status = 200,
                                    .content_type = "text/plain; version=0.0.4; charset=utf-8",
                                    .body = options.metrics->text(),
                                    .headers = {}};
                              }});
  }
}

std::expected<HttpLoop::Target, Response> Server::Impl::find(Request& request) const {
  std::string allow;
  for (const Route& route : options.routes) {
    if (auto matched = match_path(route.path, request.path)) {
      if (route.method == request.method) {
        request.segments = std::move(*matched);
        // The own routes stand behind those of the options.
        return HttpLoop::Target{
            .route = &route,
            .own = &route - options.routes.data() >= static_cast<std::ptrdiff_t>(routes_given)};
      }
      allow += (allow.empty() ? "" : ", ") + route.method + (route.method == "GET" ? ", HEAD" : "");
    }
  }
  if (allow.empty()) {
    return std::unexpected(json_error(404, "no such path"));
  }
  Response refused = json_error(405, "this path takes " + allow);
  refused.headers = "Allow: " + allow + "\r\n";
  return std::unexpected(std::move(refused));
}

std::expected<void, std::string> Server::Impl::start() {
  std::vector<Listening> sockets;
  for (const LocalAddress& address : options.addresses) {
    auto socket = Listening::open(address, options.socket_file);
    if (!socket) {
      return std::unexpected(fmt::format("admin {}: {}", address.to_string(), socket.error()));
    }
    bound.push_back(socket->address());
    sockets.push_back(*std::move(socket));
  }
  auto started = HttpLoop::start(
      std::move(sockets),
      {.threads = options.threads,
       .kept_free = options.kept_free,
       .max_body = options.max_body,
       .request_timeout = options.request_timeout},
      [this](Request& request) { return find(request); },
      options.counts ? options.counts : std::make_shared<metrics::AdminMetrics>());
  if (!started) {
    return std::unexpected("admin: " + started.error());
  }
  loop = *std::move(started);
  return {};
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

const std::vector<LocalAddress>& Server::addresses() const {
  return impl_->bound;
}

}  // namespace headgate::admin
