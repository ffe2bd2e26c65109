#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/unique_fd.h"

namespace headgate::net {

// A pipe through which the kernel hands bytes from one socket to another without copying them
// (splice(2)). Both calls are splice(2) without EINTR: bytes moved, 0, or -1 with errno. The
// process ignores SIGPIPE: drain() has no flag against it.
class SplicePipe {
 public:
  // Null when there are no more files to be had.
  static std::unique_ptr<SplicePipe> open();

  // From a non-blocking socket, at most kCapacity; only while the pipe is empty.
  std::ptrdiff_t fill(int socket);
  // Into a non-blocking socket: what it takes.
  std::ptrdiff_t drain(int socket);

  [[nodiscard]] std::size_t bytes() const { return bytes_; }

  static constexpr std::size_t kCapacity = 256 * 1024;

 private:
  SplicePipe(UniqueFd out, UniqueFd in) : out_(std::move(out)), in_(std::move(in)) {}

  UniqueFd out_;
  UniqueFd in_;
  std::size_t bytes_ = 0;
};

// The pipes of a worker. A session holds one only while bytes are in flight.
class SplicePipes {
 public:
  class Deleter {
   public:
    explicit Deleter(SplicePipes* pool = nullptr) : pool_(pool) {}
    void operator()(SplicePipe* pipe) const;

   private:
    SplicePipes* pool_;
  };
  using Pipe = std::unique_ptr<SplicePipe, Deleter>;

  // Null when kMost are in use, or files are short: then bytes are to be copied.
  Pipe take();
  [[nodiscard]] std::size_t in_use() const { return in_use_; }

  // Two files each; of what an unprivileged user may have in pipes (64 MiB) a part.
  static constexpr std::size_t kMost = 16;

 private:
  void give_back(SplicePipe* pipe);

  std::size_t in_use_ = 0;
  std::vector<std::unique_ptr<SplicePipe>> free_;
};

}  // namespace headgate::net
