#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

#include "base/address.h"
#include "base/unique_fd.h"
#include "net/io_watcher.h"
#include "net/timer_wheel.h"

namespace headgate::server {

class Worker;

// One listening socket of a worker. Accepts a few connections a turn, so that a storm of them
// delays nobody who is already in, and sleeps for a moment when the process is out of descriptors.
class Listener {
 public:
  // `index`: in the configuration that the worker goes by.
  Listener(Worker& worker, std::size_t index, UniqueFd fd);
  // The same socket under a new configuration.
  void change(std::size_t index, int backlog, std::chrono::seconds keepalive);
  // Takes what already waits in the queue, then stops: a closed listener loses it otherwise.
  void stop();
  // Memory may go once this is true.
  [[nodiscard]] bool closed() const { return closed_; }

 private:
  static void on_ready(void* self, unsigned ready) noexcept;
  static void on_rested(void* self) noexcept;
  // Until there is no connection left, or one of the two is used up.
  void accept_some(int budget, std::uint64_t until_ns);

  Worker& worker_;
  std::size_t index_;
  UniqueFd fd_;
  std::optional<Endpoint> local_;  // of every connection; not set when bound to any address
  net::IoWatcher watcher_;
  net::Timer rest_;
  bool closed_ = false;
};

}  // namespace headgate::server
