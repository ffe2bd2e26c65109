#include "net/io_watcher.h"

#include <sys/epoll.h>

#include <utility>

#include "net/loop.h"

namespace headgate::net {
namespace {

constexpr unsigned kAll = kReadable | kWritable | kHangup;

std::uint32_t to_epoll(unsigned mask) {
  std::uint32_t events = 0;
  // An end makes the socket readable anyway; that it is one tells the loop that it can wait.
  events |= (mask & kReadable) != 0 ? static_cast<std::uint32_t>(EPOLLIN | EPOLLRDHUP) : 0;
  events |= (mask & kWritable) != 0 ? static_cast<std::uint32_t>(EPOLLOUT) : 0;
  events |= (mask & kHangup) != 0 ? static_cast<std::uint32_t>(EPOLLRDHUP) : 0;
  return events;
}

unsigned from_epoll(std::uint32_t events) {
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
    return kAll;
  }
  unsigned mask = 0;
  mask |= (events & EPOLLIN) != 0 ? kReadable : 0;
  mask |= (events & EPOLLOUT) != 0 ? kWritable : 0;
  mask |= (events & EPOLLRDHUP) != 0 ? kHangup : 0;
  return mask;
}

}  // namespace

void IoWatcher::open(Loop& loop, int fd, void* owner, Callback on_ready, Urgency urgency) {
  loop_ = &loop;
  owner_ = owner;
  on_ready_ = on_ready;
  fd_ = fd;
  wanted_ = 0;
  applied_ = 0;
  urgency_ = urgency;
  open_ = true;
  loop.count_open();
}

void IoWatcher::set_urgency(Urgency urgency) {
  if ((urgency == Urgency::kCanWait) == (urgency_ == Urgency::kCanWait)) {
    urgency_ = urgency;  // in the same set
    return;
  }
  const unsigned wanted = std::exchange(wanted_, 0);
  if (open_) {
    apply();
  }
  urgency_ = urgency;
  wanted_ = static_cast<std::uint8_t>(wanted);
  if (open_ && !in_callback_) {
    apply();
  }
}

void IoWatcher::want(unsigned mask) {
  wanted_ = static_cast<std::uint8_t>(mask);
  if (open_ && !in_callback_) {
    apply();
  }
}

void IoWatcher::apply() {
  if (wanted_ == applied_) {
    return;
  }
  if (applied_ == 0) {
    loop_->watch(EPOLL_CTL_ADD, fd_, to_epoll(wanted_), *this);
  } else if (wanted_ == 0) {
    loop_->watch(EPOLL_CTL_DEL, fd_, 0, *this);
  } else {
    loop_->watch(EPOLL_CTL_MOD, fd_, to_epoll(wanted_), *this);
  }
  applied_ = wanted_;
}

// The event may be older than the mask, or than close(): callbacks of the same turn came between.
void IoWatcher::dispatch(unsigned epoll_events) {
  unsigned ready = from_epoll(epoll_events);
  if ((epoll_events & EPOLLERR) == 0) {
    ready &= wanted_ | ((wanted_ & kReadable) != 0 ? kHangup : 0U);
  }
  if (ready == 0 || wanted_ == 0) {
    return;
  }
  in_callback_ = true;
  on_ready_(owner_, ready);
  in_callback_ = false;
  if (open_) {
    apply();
  }
}

void IoWatcher::close(Closed on_closed, Descriptor descriptor) {
  wanted_ = 0;
  if (applied_ != 0) {
    if (descriptor == Descriptor::kStaysOpen) {
      apply();
    } else {
      loop_->note_watched(-1);
    }
  }
  applied_ = 0;
  open_ = false;
  on_closed_ = on_closed;
  loop_->reap_later(*this);
}

}  // namespace headgate::net
