#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <string_view>

#include "admin/listening.h"
#include "metrics/admin_metrics.h"

namespace headgate::admin {

// What a connection of the admin server is at.
enum class Phase : std::uint8_t {
  kReading,    // its request is not complete
  kAnswering,  // a thread works on the answer
  kSending,
};

struct Connection {
  int fd = -1;  // the HTTP library closes it
  Via via = Via::kNetwork;
  std::string peer;  // "192.0.2.1"; of a Unix socket "uid=1000,pid=4242"
  Phase phase = Phase::kReading;
  std::chrono::steady_clock::time_point since;  // when that began
};

// The connections there are, and for how long each may take. Bounded: where as many are there as
// there may be, those that dawdle give way at once, so that whoever opens many and says nothing
// keeps nobody else away. For one thread.
class Connections {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // `timeout`: for a whole request, and for a whole answer to be taken. `metrics` outlives it.
  Connections(std::chrono::milliseconds timeout, metrics::AdminMetrics& metrics)
      : timeout_(timeout), metrics_(metrics) {}

  static constexpr std::size_t kMost = 128;
  static constexpr std::size_t kMostOfOne = 32;  // of one address of the network

  [[nodiscard]] bool full() const { return all_.size() >= kMost; }
  [[nodiscard]] bool empty() const { return all_.empty(); }
  [[nodiscard]] std::size_t in(Phase phase) const;
  // Whether another one may come from there; that it may not is counted.
  [[nodiscard]] bool takes(Via via, std::string_view peer);

  Connection& add(Connection connection);
  Connection* find(int fd);  // nullptr: none
  void remove(const Connection& connection);

  // Shuts down the sockets of those that have taken too long; one whose request is not complete is
  // sent `farewell` before. The answer: when there may be another one.
  std::optional<Time> cut(Time now, std::string_view farewell);
  // From now on nobody gets more than `timeout`, and those whose request is not complete get none.
  void hurry(std::chrono::milliseconds timeout);

 private:
  [[nodiscard]] Time deadline(const Connection& connection) const;

  std::chrono::milliseconds timeout_;
  metrics::AdminMetrics& metrics_;
  bool hurried_ = false;
  std::list<Connection> all_;
};

}  // namespace headgate::admin
