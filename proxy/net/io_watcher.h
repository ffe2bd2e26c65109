#pragma once

#include <uv.h>

#include <cstdint>

#include "net/loop.h"

namespace headgate::net {

// Bits of an interest or readiness mask.
inline constexpr unsigned kReadable = 1;
inline constexpr unsigned kWritable = 2;
inline constexpr unsigned kHangup = 4;  // the peer shut down its sending side, or an error stands

// Watches one file descriptor, level-triggered. Inside the callback want() only notes the mask; it
// reaches the kernel when the callback returns, and only if it differs from what is there (libuv
// 1.44's uv_poll_start does DEL and ADD even for an unchanged mask, libuv #2201).
// An error on the socket arrives as all three bits: read it or close, it is reported until then.
// Memory: the owner must outlive the close callback, see close().
class IoWatcher {
 public:
  using Callback = void (*)(void* owner, unsigned ready) noexcept;

  IoWatcher() = default;
  IoWatcher(const IoWatcher&) = delete;
  IoWatcher& operator=(const IoWatcher&) = delete;

  // `fd` must be non-blocking and stays the caller's.
  void open(Loop& loop, int fd, void* owner, Callback on_ready);
  // 0 stops watching: then not even errors are reported.
  void want(unsigned mask);
  [[nodiscard]] unsigned wanted() const { return wanted_; }
  [[nodiscard]] bool is_open() const { return open_; }
  // The fd stays watched as it is, but for somebody else.
  void rebind(void* owner, Callback on_ready) {
    owner_ = owner;
    on_ready_ = on_ready;
  }
  // Stops at once; the fd may be closed right after. `on_closed` comes in a later turn, and the
  // memory of this object must live until then.
  using Closed = void (*)(void* owner) noexcept;
  void close(Closed on_closed);

 private:
  uv_poll_t poll_{};
  void* owner_ = nullptr;
  Callback on_ready_ = nullptr;
  Closed on_closed_ = nullptr;
  unsigned wanted_ = 0;
  unsigned applied_ = 0;  // what libuv watches
  bool open_ = false;
  bool in_callback_ = false;

  void apply();
  static void on_poll(uv_poll_t* poll, int status, int events) noexcept;
};

}  // namespace headgate::net
