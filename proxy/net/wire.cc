#include "net/wire.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace headgate::net {

IoResult Wire::receive(std::span<char> into) {
  if (end_of_file_) {
    return {0, Want::kClosed};
  }
  if (drained_) {
    return {0, Want::kRead};
  }
  for (;;) {
    const ssize_t got = ::recv(fd_.get(), into.data(), into.size(), 0);
    if (got > 0) {
      const auto bytes = static_cast<std::size_t>(got);
      drained_ = bytes < into.size();
      return {bytes, Want::kNone};
    }
    if (got == 0) {
      end_of_file_ = true;
      return {0, Want::kClosed};
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      drained_ = true;
      return {0, Want::kRead};
    }
    if (errno != EINTR) {
      error_ = errno;
      return {0, Want::kFailed};
    }
  }
}

void Wire::keep_input(std::string_view bytes) {
  if (bytes.empty()) {
    return;
  }
  input_ = std::make_unique_for_overwrite<char[]>(bytes.size());
  std::memcpy(input_.get(), bytes.data(), bytes.size());
  input_size_ = static_cast<std::uint32_t>(bytes.size());
}

std::size_t Wire::take_input(char* into) {
  if (input_size_ == 0) {
    return 0;
  }
  std::memcpy(into, input_.get(), input_size_);
  input_.reset();
  return std::exchange(input_size_, 0);
}

IoResult Wire::send(std::string_view from, bool more) {
  const int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
  for (;;) {
    const ssize_t sent = ::send(fd_.get(), from.data(), from.size(), flags);
    if (sent >= 0) {
      const auto bytes = static_cast<std::size_t>(sent);
      return {bytes, bytes == from.size() ? Want::kNone : Want::kWrite};
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return {0, Want::kWrite};
    }
    if (errno != EINTR) {
      error_ = errno;
      send_failed_ = true;
      return {0, Want::kFailed};
    }
  }
}

IoResult Wire::receive(SplicePipe& into) {
  if (end_of_file_) {
    return {0, Want::kClosed};
  }
  const std::ptrdiff_t got = into.fill(fd_.get());
  if (got > 0) {
    return {static_cast<std::size_t>(got), Want::kNone};
  }
  if (got == 0) {
    end_of_file_ = true;
    return {0, Want::kClosed};
  }
  if (errno == EAGAIN) {
    return {0, Want::kRead};
  }
  error_ = errno;
  return {0, Want::kFailed};
}

IoResult Wire::send(SplicePipe& from) {
  const std::size_t before = from.bytes();
  while (from.bytes() > 0 && from.drain(fd_.get()) > 0) {
  }
  const std::size_t sent = before - from.bytes();
  if (from.bytes() == 0) {
    return {sent, Want::kNone};
  }
  if (errno == EAGAIN) {
    return {sent, Want::kWrite};
  }
  error_ = errno;
  send_failed_ = true;
  return {sent, Want::kFailed};
}

void Wire::send_or_keep(std::string_view from, bool more) {
  if (from.empty() || send_failed_) {
    return;
  }
  if (kept() > 0) {
    keep(from);
    return;
  }
  const IoResult sent = send(from, more);
  if (sent.want == Want::kWrite) {
    keep(from.substr(sent.bytes));
  }
}

void Wire::hold_back(std::string_view bytes) {
  if (bytes.empty()) {
    return;
  }
  held_back_ = kept() == 0;
  keep(bytes);
}

std::size_t Wire::take_held_back(char* into) {
  if (!held_back_) {
    return 0;
  }
  const std::size_t size = kept();
  std::memcpy(into, kept_.get() + begin_, size);
  drop_kept();
  return size;
}

Want Wire::flush() {
  held_back_ = false;
  if (send_failed_) {
    return Want::kFailed;
  }
  if (kept() == 0) {
    return Want::kNone;
  }
  const IoResult sent = send({kept_.get() + begin_, kept()});
  begin_ += static_cast<std::uint32_t>(sent.bytes);
  if (sent.want != Want::kWrite) {
    drop_kept();
  }
  return sent.want;
}

void Wire::keep(std::string_view bytes) {
  const std::size_t old = kept();
  auto larger = std::make_unique_for_overwrite<char[]>(old + bytes.size());
  if (old > 0) {
    std::memcpy(larger.get(), kept_.get() + begin_, old);
  }
  std::memcpy(larger.get() + old, bytes.data(), bytes.size());
  kept_ = std::move(larger);
  begin_ = 0;
  end_ = static_cast<std::uint32_t>(old + bytes.size());
}

void Wire::drop_kept() {
  kept_.reset();
  begin_ = 0;
  end_ = 0;
  held_back_ = false;
}

}  // namespace headgate::net
