#include "net/io_watcher.h"

#include <cstdio>
#include <cstdlib>

namespace headgate::net {

static_assert(kReadable == UV_READABLE && kWritable == UV_WRITABLE && kHangup == UV_DISCONNECT,
              "masks go to libuv and come from it without translation");

void IoWatcher::open(Loop& loop, int fd, void* owner, Callback on_ready) {
  // Fails only for a descriptor that is closed or cannot be polled, or is watched already.
  if (const int result = uv_poll_init(loop.raw(), &poll_, fd); result != 0) {
    std::fprintf(stderr, "uv_poll_init: %s\n", uv_strerror(result));
    std::abort();
  }
  poll_.data = this;
  owner_ = owner;
  on_ready_ = on_ready;
  on_closed_ = nullptr;
  wanted_ = 0;
  applied_ = 0;
  open_ = true;
}

void IoWatcher::want(unsigned mask) {
  wanted_ = mask;
  if (open_ && !in_callback_) {
    apply();
  }
}

void IoWatcher::apply() {
  if (wanted_ == applied_) {
    return;
  }
  applied_ = wanted_;
  if (applied_ == 0) {
    uv_poll_stop(&poll_);
  } else {
    uv_poll_start(&poll_, static_cast<int>(applied_), &IoWatcher::on_poll);
  }
}

void IoWatcher::on_poll(uv_poll_t* poll, int status, int events) noexcept {
  auto* watcher = static_cast<IoWatcher*>(poll->data);
  unsigned ready = static_cast<unsigned>(events);
  if (status < 0) {
    // EPOLLERR: libuv has stopped the handle and calls it EBADF (libuv #3796); the true error is
    // the socket's to tell.
    ready = kReadable | kWritable | kHangup;
    watcher->applied_ = 0;
  }
  watcher->in_callback_ = true;
  watcher->on_ready_(watcher->owner_, ready);
  watcher->in_callback_ = false;
  if (watcher->open_) {
    watcher->apply();
  }
}

void IoWatcher::close(Closed on_closed) {
  open_ = false;
  wanted_ = 0;
  applied_ = 0;
  on_closed_ = on_closed;
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_), [](uv_handle_t* handle) noexcept {
    auto* watcher = static_cast<IoWatcher*>(handle->data);
    watcher->on_closed_(watcher->owner_);
  });
}

}  // namespace headgate::net
