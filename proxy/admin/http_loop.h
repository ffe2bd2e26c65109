#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "admin/listening.h"
#include "admin/server.h"
#include "metrics/admin_metrics.h"

namespace headgate::admin {

// HTTP/1.1 by GNU libmicrohttpd, one request a connection. One thread moves the bytes of all
// connections, so that a slow client costs a connection and no thread; threads of a crew call the
// handlers, so that a slow handler holds up nobody else's bytes.
class HttpLoop {
 public:
  struct Limits {
    unsigned threads = 10;
    unsigned kept_free = 2;  // of these, for what is Target::own
    std::size_t max_body = 0;
    std::chrono::milliseconds request_timeout{10000};
  };
  // Who answers a request.
  struct Target {
    const Route* route = nullptr;  // outlives the loop
    bool own = false;
  };
  // Asked on the loop's thread when the head of a request is there; fills Request::segments. The
  // error is what is sent instead of an answer.
  using Find = std::function<std::expected<Target, Response>(Request&)>;

  static std::expected<std::unique_ptr<HttpLoop>, std::string> start(
      std::vector<Listening> listening, Limits limits, Find find,
      std::shared_ptr<metrics::AdminMetrics> metrics);
  ~HttpLoop();  // ends what is not a whole request, and waits for the answers under way
  HttpLoop(const HttpLoop&) = delete;
  HttpLoop& operator=(const HttpLoop&) = delete;

 private:
  struct Impl;
  explicit HttpLoop(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::admin
