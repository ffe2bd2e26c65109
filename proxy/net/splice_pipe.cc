#include "net/splice_pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace headgate::net {
namespace {

std::ptrdiff_t move_bytes(int from, int to, std::size_t most) {
  for (;;) {
    const ssize_t moved =
        ::splice(from, nullptr, to, nullptr, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (moved >= 0 || errno != EINTR) {
      return moved;
    }
  }
}

}  // namespace

std::unique_ptr<SplicePipe> SplicePipe::open() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    return nullptr;
  }
  // Where that is refused the pipe is smaller and moves less at a time.
  ::fcntl(ends[1], F_SETPIPE_SZ, static_cast<int>(kCapacity));
  return std::unique_ptr<SplicePipe>(new SplicePipe(UniqueFd(ends[0]), UniqueFd(ends[1])));
}

std::ptrdiff_t SplicePipe::fill(int socket) {
  const std::ptrdiff_t moved = move_bytes(socket, in_.get(), kCapacity);
  bytes_ += moved > 0 ? static_cast<std::size_t>(moved) : 0;
  return moved;
}

std::ptrdiff_t SplicePipe::drain(int socket) {
  const std::ptrdiff_t moved = move_bytes(out_.get(), socket, bytes_);
  bytes_ -= moved > 0 ? static_cast<std::size_t>(moved) : 0;
  return moved;
}

SplicePipes::Pipe SplicePipes::take() {
  if (in_use_ == kMost) {
    return Pipe(nullptr, Deleter(this));
  }
  std::unique_ptr<SplicePipe> pipe;
  if (free_.empty()) {
    pipe = SplicePipe::open();
  } else {
    pipe = std::move(free_.back());
    free_.pop_back();
  }
  in_use_ += pipe != nullptr ? 1 : 0;
  return Pipe(pipe.release(), Deleter(this));
}

void SplicePipes::give_back(SplicePipe* pipe) {
  std::unique_ptr<SplicePipe> returned(pipe);
  --in_use_;
  if (returned->bytes() == 0) {
    free_.push_back(std::move(returned));
  }  // else what nobody takes any more goes with the pipe
}

void SplicePipes::Deleter::operator()(SplicePipe* pipe) const {
  pool_->give_back(pipe);
}

}  // namespace headgate::net
