#pragma once

#include <cstdint>

namespace headgate::net {

class Loop;

// Bits of an interest or readiness mask. kHangup is also reported, asked for or not, along with
// kReadable: behind what can be read now stands the end.
inline constexpr unsigned kReadable = 1;
inline constexpr unsigned kWritable = 2;
inline constexpr unsigned kHangup = 4;  // the peer shut down its sending side, or an error stands

// Who waits for whom when a loop has more to do than it can at once: what is not for now has its
// turn after everything else, see Loop. A handshake costs as much as thirty NOOPs.
enum class Urgency : std::uint8_t {
  kNow,
  kSoon,     // for a few: they are told of along with those of kNow
  kCanWait,  // for any number
};

// Watches one file descriptor, level-triggered, in one of the epoll sets of its Loop. Inside the
// callback want() only notes the mask; it reaches the kernel when the callback returns, and only if
// it differs from what is there. An error on the socket arrives as all three bits: read it or
// close, it is reported until then. Memory: the owner must outlive the close callback, see close().
class IoWatcher {
 public:
  using Callback = void (*)(void* owner, unsigned ready) noexcept;

  IoWatcher() = default;
  IoWatcher(const IoWatcher&) = delete;
  IoWatcher& operator=(const IoWatcher&) = delete;

  // `fd` must be non-blocking and stays the caller's.
  void open(Loop& loop, int fd, void* owner, Callback on_ready, Urgency urgency = Urgency::kNow);
  // 0 stops watching: then not even errors are reported.
  void want(unsigned mask);
  [[nodiscard]] unsigned wanted() const { return wanted_; }
  [[nodiscard]] bool is_open() const { return open_; }
  // Two system calls from or to kCanWait, where something is watched.
  void set_urgency(Urgency urgency);
  // The fd stays watched as it is, but for somebody else.
  void rebind(void* owner, Callback on_ready) {
    owner_ = owner;
    on_ready_ = on_ready;
  }
  // What becomes of the descriptor. One that is closed leaves the epoll set by itself, which saves
  // a system call.
  enum class Descriptor : std::uint8_t { kStaysOpen, kClosedByThen };
  // Stops at once; the fd may be closed right after, and must be when on_closed returns if that was
  // said. `on_closed` comes at the end of the turn, and the memory of this object must live until
  // then.
  using Closed = void (*)(void* owner) noexcept;
  void close(Closed on_closed, Descriptor descriptor = Descriptor::kStaysOpen);

 private:
  friend class Loop;
  void apply();
  void dispatch(unsigned epoll_events);

  Loop* loop_ = nullptr;
  void* owner_ = nullptr;
  Callback on_ready_ = nullptr;
  Closed on_closed_ = nullptr;
  IoWatcher* next_closing_ = nullptr;
  int fd_ = -1;
  std::uint8_t wanted_ = 0;
  std::uint8_t applied_ = 0;  // what the kernel watches
  Urgency urgency_ = Urgency::kNow;
  bool open_ = false;
  bool in_callback_ = false;
};

}  // namespace headgate::net
