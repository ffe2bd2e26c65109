#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "admin/listening.h"
#include "base/address.h"
#include "metrics/admin_metrics.h"
#include "metrics/collector.h"

namespace headgate::admin {

struct Request {
  std::string_view method;         // "GET"; HEAD comes as GET
  std::string_view path;           // decoded, without query
  std::string_view query;          // as sent, without '?'
  std::string_view body;           // at most Options::max_body bytes
  std::string_view authorization;  // the header of that name; empty: none
  // Address of the caller; at a Unix socket, user and process: "uid=1000,pid=4242".
  std::string_view peer;
  Via via = Via::kNetwork;                 // by what kind of address it came
  std::vector<std::string_view> segments;  // what stands for the segments in braces of Route::path
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::string headers;  // further ones, each with its CRLF
};

// {"error":"…"} with the text escaped.
Response json_error(int status, std::string_view text);

// One row of the table of what is served. A known path with another method is 405, else 404.
struct Route {
  std::string method;                              // "GET" answers HEAD as well
  std::string path;                                // see match_path()
  std::function<Response(const Request&)> handle;  // called on a thread of the admin server
};

// Whether Headgate can take sessions, and if not, why ("pool main: no backend is up").
struct Readiness {
  bool ready = true;
  std::string why;
};

struct Options {
  std::vector<LocalAddress> addresses;            // port 0: any free one, see addresses()
  SocketFile socket_file;                         // of those that are Unix sockets
  std::shared_ptr<metrics::Collector> metrics;    // /metrics
  std::shared_ptr<metrics::AdminMetrics> counts;  // what it counts of its own; none: nobody asks
  std::function<Readiness()> readiness;           // /readyz; none: always ready
  std::vector<Route> routes;                      // beside /metrics, /healthz and /readyz
  std::size_t max_body = 1024UL * 1024;           // a list of users
  unsigned threads = 10;                          // requests that are answered at a time
  // Of these are for /metrics, /healthz and /readyz alone: `routes` may take long, and one that
  // finds no other thread is answered 503.
  unsigned kept_free = 2;
  // For a request to be whole, and for its answer to be taken.
  std::chrono::milliseconds request_timeout{10000};
};

// The admin HTTP interface on threads of its own. Handlers must be safe there.
class Server {
 public:
  // The error names the address and what is wrong ("admin 127.0.0.1:9143: bind: Address already in
  // use").
  static std::expected<std::unique_ptr<Server>, std::string> start(Options options);
  ~Server();  // waits for the requests under way; socket files go first
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] const std::vector<LocalAddress>& addresses() const;  // as bound

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::admin
