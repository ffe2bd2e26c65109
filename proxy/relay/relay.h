#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "net/buffer_pool.h"
#include "net/transport.h"

namespace headgate::relay {

// How a relay ended; docs/close-table.md has the table of all combinations.
enum class End : std::uint8_t {
  kNot,            // still going
  kClientClosed,   // the client ended first, in order
  kClientFailed,   // the client's connection broke
  kBackendClosed,  // the backend ended first, in order
  kBackendFailed,  // the backend's connection broke
};

// What the relay needs of a poll on each side after a turn: masks of net::kReadable and friends.
struct Interest {
  unsigned client = 0;
  unsigned backend = 0;
};

struct Status {
  End end = End::kNot;
  Interest interest;
  bool again = false;  // stopped at its byte budget: call run() again at the end of the loop's turn
};

// The byte pump of an established session: two directions, each "write what is there, read if there
// is room". Owns nothing but the buffers in flight; the transports are the session's. Knows no
// protocol, no clock and no loop, so that every row of the close table can be tested with a
// socketpair.
//
// Half-close: an end in order on one side is passed on once everything before it was delivered, and
// the other direction goes on; the relay ends when both directions have ended or one side is
// broken. After a break on one side what was read from it is still delivered to the other (a final
// BYE).
class Relay {
 public:
  Relay(net::Transport& client, net::Transport& backend, net::BufferPool& buffers);

  // What was read behind the dialogues before the hand-over: delivered first, in order. Copied.
  void prepend_to_backend(std::string_view bytes);
  void prepend_to_client(std::string_view bytes);

  // Moves what can be moved. `client_ready` and `backend_ready`: masks as the poll gave them, or
  // all bits on the first call. Never blocks; moves at most the budget.
  Status run(unsigned client_ready, unsigned backend_ready);

  // First end wins; how a half-closed session that lingers began to end.
  [[nodiscard]] End first_end() const;
  // True while one direction has ended and the other goes on: the caller limits how long.
  [[nodiscard]] bool half_closed() const;
  // True while bytes wait for a side that does not take them.
  [[nodiscard]] bool stalled() const;
  [[nodiscard]] std::uint64_t bytes_to_backend() const;
  [[nodiscard]] std::uint64_t bytes_to_client() const;
  // "open/open", "eof/open …": for the timeout line.
  [[nodiscard]] std::string_view state_name() const;

 private:
  // One direction.
  struct Pump {
    net::BufferPool::Buffer buffer{nullptr, net::BufferPool::Deleter{}};
    std::string prefix;         // prepended bytes not yet written
    std::uint32_t begin = 0;    // first unwritten byte of buffer
    std::uint32_t end = 0;      // one past the last
    std::uint64_t bytes = 0;    // taken by the sink
    bool may_read = true;       // the poll said so, or the last read filled the buffer
    bool source_ended = false;  // nothing more will come: an end in order or a break
    bool end_sent = false;      // the sink has been told
    bool hangup_seen = false;   // the poll reported the source's hang-up while it was paused
    [[nodiscard]] bool empty() const { return begin == end && prefix.empty(); }
  };
  // One connection, as far as both directions are concerned.
  struct Side {
    net::Transport& transport;
    bool broken = false;  // neither read nor written any more
    bool read_wants_write = false;
  };

  bool run_pump(Pump& pump, Side& source, Side& sink, std::size_t budget);
  bool write_out(Pump& pump, Side& sink);
  void read_in(Pump& pump, Side& source);
  void pass_end(Pump& pump, Side& sink);
  void note_ready(Pump& pump, Side& source, unsigned ready);
  void break_side(Side& side);
  void note_end(End end);
  [[nodiscard]] unsigned interest(const Side& side, const Pump& from, const Pump& to) const;
  [[nodiscard]] bool done() const;

  Side client_;
  Side backend_;
  net::BufferPool& buffers_;
  Pump to_backend_;
  Pump to_client_;
  End first_end_ = End::kNot;
};

}  // namespace headgate::relay
