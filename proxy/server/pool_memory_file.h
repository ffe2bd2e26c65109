#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <thread>

#include "auth/pool_memory_text.h"
#include "metrics/source_figures.h"

namespace headgate::server {

// Keeps which users live in which pool over a restart, in a file beside the state file: written by
// a thread of its own when something has changed, at most once a minute, and once more at the end.
// A file that cannot be read or written is a line in the log; it keeps nobody from logging in.
class PoolMemoryFile {
 public:
  static constexpr std::chrono::seconds kPace{60};

  struct Kept {
    std::string state_file;  // empty: nothing is kept
    auth::PoolMemories memories;
  };
  // `kept` says what is in force; any thread.
  explicit PoolMemoryFile(std::function<Kept()> kept) : kept_(std::move(kept)) {}
  ~PoolMemoryFile() { end(); }
  PoolMemoryFile(const PoolMemoryFile&) = delete;
  PoolMemoryFile& operator=(const PoolMemoryFile&) = delete;

  // Reads the file, then begins to write it.
  void begin(std::chrono::milliseconds pace = kPace);
  // Once nobody logs in any more.
  void end();

  [[nodiscard]] metrics::PoolMemoryFigures figures() const {
    return {.written = written_.load(std::memory_order_relaxed),
            .failed = failed_.load(std::memory_order_relaxed)};
  }
  static std::string path(const std::string& state_file) { return state_file + ".pools"; }

 private:
  void restore();
  void write_if_changed();
  void run(const std::stop_token& stop, std::chrono::milliseconds pace);

  const std::function<Kept()> kept_;
  auth::PoolMemories seen_;  // whose changes last_ counts
  std::uint64_t last_ = 0;   // changes of them that the file has
  std::atomic<std::uint64_t> written_{0};
  std::atomic<std::uint64_t> failed_{0};
  std::jthread writer_;
};

}  // namespace headgate::server
