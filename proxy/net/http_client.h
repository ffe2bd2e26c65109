#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/secret.h"
#include "base/url.h"
#include "net/loop.h"
#include "net/timer_wheel.h"

namespace headgate::net {

// One request. Lines may hold passwords, and so are Secrets.
struct HttpRequest {
  Url url;
  // Where the URL's host is: nothing is resolved here. Of several, the first that takes the
  // connection gets the request. Unused with a socket, else never empty.
  std::vector<Endpoint> endpoints;
  std::vector<Secret> headers;  // whole lines without their end, in this order: "Name: value"
  std::optional<Secret> body;   // there: POST; else GET
  bool keep_alive = true;       // false: HTTP/1.0 and a connection of its own
  // The answer is there with the last header; what body comes is thrown away.
  bool head_only = false;
  std::chrono::milliseconds timeout{5000};  // from now to the end of the answer
};

struct HttpReply {
  unsigned status = 0;
  Secret head;  // header lines as they came, each with its line end; no status line
  Secret body;
};

struct HttpFailure {
  bool timed_out = false;
  std::string why;  // for the log; printable
};

// An HTTP client on a worker's loop: keep-alive, TLS, a deadline and a size for each answer.
// Follows no redirect, uses no proxy, reads nothing from the environment. libcurl does the work and
// does not show. Unlike libcurl's own buffers, whatever is kept here of a request or an answer is
// wiped.
class HttpClient {
 public:
  struct Options {
    bool verify = true;        // https: the certificate must be good for the URL's host
    std::string ca_file = {};  // empty: the system's
    std::size_t largest_reply = 64 * 1024;  // header lines and body together
    std::size_t idle_connections = 32;      // kept for the next request
  };
  using Id = std::uint64_t;
  using Done = std::function<void(std::expected<HttpReply, HttpFailure>)>;

  // Both must outlive it; the loop must turn once more after it has gone.
  HttpClient(Loop& loop, TimerWheel& timers, Options options);
  ~HttpClient();  // what is under way is given up; its `done` never comes
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // `done` is called once, on this thread, and never before send() has returned. It may call send()
  // and cancel(), but must not destroy the client.
  Id send(HttpRequest request, Done done);
  // Its `done` never comes. Harmless for what is over.
  void cancel(Id id);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::net
