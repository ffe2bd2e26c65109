#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/unique_fd.h"
#include "net/io_result.h"
#include "net/splice_pipe.h"

namespace headgate::net {

// The socket under a Transport, and what the kernel has not taken yet. A part of Transport; nobody
// else uses it.
class Wire {
 public:
  explicit Wire(UniqueFd fd) : fd_(std::move(fd)) {}

  [[nodiscard]] int fd() const { return fd_.get(); }

  // One recv(). A short one means that the socket is empty, and then receive() answers kRead
  // without a system call until await_poll(): the level-triggered poll will tell of what comes
  // later.
  IoResult receive(std::span<char> into);
  void await_poll() { drained_ = false; }
  [[nodiscard]] bool drained() const { return drained_; }
  [[nodiscard]] bool end_of_file() const { return end_of_file_; }

  // Ciphertext received and not yet decrypted; at most one buffer of the SharedBio.
  void keep_input(std::string_view bytes);
  std::size_t take_input(char* into);
  [[nodiscard]] bool has_input() const { return input_size_ > 0; }

  // One send(); takes what the kernel takes. `more`: the kernel may wait for what follows at once.
  IoResult send(std::string_view from, bool more = false);
  // The same from socket to pipe and from pipe to socket, see SplicePipe. What comes in one call is
  // never taken for all there is: kNone with bytes.
  IoResult receive(SplicePipe& into);
  IoResult send(SplicePipe& from);
  // Takes everything: what the kernel does not take is kept, behind what is kept already.
  void send_or_keep(std::string_view from, bool more);
  // Keeps bytes that need not go before the next ones do.
  void hold_back(std::string_view bytes);
  // The bytes held back go to `into`, which must have room; returns how many.
  std::size_t take_held_back(char* into);
  // kNone: nothing is kept any more; kWrite: the kernel is full; kFailed.
  Want flush();

  [[nodiscard]] std::size_t unsent() const { return held_back_ ? 0 : kept(); }
  [[nodiscard]] std::size_t held_back() const { return held_back_ ? kept() : 0; }
  [[nodiscard]] bool send_failed() const { return send_failed_; }
  [[nodiscard]] int error() const { return error_; }
  void set_error(int error_number) { error_ = error_number; }

 private:
  [[nodiscard]] std::size_t kept() const { return end_ - begin_; }
  void keep(std::string_view bytes);
  void drop_kept();

  std::unique_ptr<char[]> kept_;  // exactly as large as was needed, gone when sent
  std::uint32_t begin_ = 0;       // first byte of kept_ that is not sent
  std::uint32_t end_ = 0;
  std::unique_ptr<char[]> input_;
  std::uint32_t input_size_ = 0;
  UniqueFd fd_;
  int error_ = 0;  // errno of the last failure
  bool drained_ = false;
  bool end_of_file_ = false;
  bool held_back_ = false;
  bool send_failed_ = false;
};

}  // namespace headgate::net
