#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "net/record_protocol.h"
#include "net/wire.h"

struct bio_st;

namespace headgate::net {

// Records that one read() opens: 16 full ones fill its buffer, and as many small ones as this take
// less than a tenth of a millisecond, so that a flood of them does not hold a worker.
inline constexpr unsigned kRecordsARead = 256;
// Plain text that is encrypted before one send(): full records that fit one segment of the kernel's
// segmentation offload, 64 KiB. Bulk FETCH by records a send, s/GB, medians of 4 in rotation: one
// 0.483, two 0.484, three 0.473, four, which are some bytes too many, 0.627; sixteen 0.521, and
// 0.564 against 0.481 of three in the four rounds before.
inline constexpr std::size_t kGatherPlain = 3 * kMaxRecord;
// Ciphertext that one recv() may bring.
inline constexpr std::size_t kReceiveSize = 256 * 1024;

// The BIO between OpenSSL and a Wire; one of it serves all connections of a worker, since it has
// no state between two calls of OpenSSL: attach() before them, detach() after them.
//
// Reading takes many records from the kernel with one recv() and hands them out piece by piece;
// what OpenSSL has not asked for by detach() stays with the Wire. OpenSSL's own read-ahead does the
// same with a buffer a connection, but moves all that is left of it for each record it takes out:
// in relay_bench's bulk_to_backend at 256 KiB, quiet minimum in s/GB: read-ahead of 17 KiB 0.61, of
// 64 KiB 0.63, of 128 KiB 0.67, of 256 KiB 0.74; in rotation on a busy machine (lower quartile of
// 12): 17 KiB 0.84, 64 KiB 0.86, this 0.82.
//
// Writing never fails and never blocks: records are gathered in one buffer and leave with one
// send() at detach(), and what the kernel does not take stays with the Wire. So SSL_write always
// takes everything and never has to be repeated with the same bytes.
//
// A connection whose records are ours (RecordProtocol) works in the same two buffers: received(),
// receive_more(), space() and gathered().
class SharedBio {
 public:
  SharedBio();
  ~SharedBio();
  SharedBio(const SharedBio&) = delete;
  SharedBio& operator=(const SharedBio&) = delete;

  // A new reference, for SSL_set_bio.
  bio_st* reference();

  // `room`: how many bytes of plain text the caller can take, which limits what is received.
  void attach(Wire& wire, std::size_t room);
  void set_room(std::size_t room) { room_ = room; }
  // Bytes received and not yet asked for.
  [[nodiscard]] std::size_t input() const { return input_end_ - input_begin_; }
  // What is received and not yet used, to be opened where it lies.
  [[nodiscard]] std::span<char> received() { return {input_.get() + input_begin_, input()}; }
  void use(std::size_t bytes) { input_begin_ += bytes; }
  // Receives behind what is there already. kNone: something came; kClosed: the end did.
  Want receive_more();
  // Where up to `size` bytes may be gathered, which must be no more than a few records; gathered()
  // says how many were.
  char* space(std::size_t size);
  void gathered(std::size_t bytes) { output_size_ += bytes; }
  // Sends what is gathered so far.
  void send();
  // Bytes gathered and not yet sent.
  [[nodiscard]] std::size_t output() const { return output_size_; }
  // Sends the rest; or leaves it with the wire until its next bytes go; or sends it in one segment
  // with the FIN that the caller lets follow.
  enum class Rest { kSend, kHoldBack, kSendBeforeEnd };
  void detach(Rest rest = Rest::kSend);

 private:
  struct Callbacks;
  void gather(std::string_view bytes);
  Want receive();

  bio_st* bio_;
  Wire* wire_ = nullptr;
  std::size_t room_ = 0;
  std::unique_ptr<char[]> output_;
  std::size_t output_size_ = 0;
  std::unique_ptr<char[]> input_;
  std::size_t input_begin_ = 0;
  std::size_t input_end_ = 0;
};

}  // namespace headgate::net
