#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "net/buffer_pool.h"
#include "net/splice_pipe.h"
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
  // Stopped at its byte budget with more inside that no poll announces: call run() again when
  // others had their turn.
  bool again = false;
  // See hold_backend_end(): the end has come, and the client has everything from before it.
  bool backend_ended = false;
};

// The end of what one side got.
struct Tail {
  std::string_view bytes;  // borrowed, until more moves
  bool whole = false;      // nothing came before them
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
  Relay(net::Transport& client, net::Transport& backend, net::BufferPool& buffers,
        net::SplicePipes& pipes);

  // What was read behind the dialogues before the hand-over: delivered first, in order. Copied.
  void prepend_to_backend(std::string_view bytes);
  void prepend_to_client(std::string_view bytes);
  // From when on the backend has got something that ends in these 8 bytes, whatever the case of
  // their letters, switched() says so: what follows may be something else than before. Before
  // run().
  void expect_switch(std::string_view last_bytes);

  // When the backend's side ends or breaks before the client's does, the client is not told before
  // pass_backend_end(): run() says so. Whoever drives the relay may then go on without the backend,
  // whose transport it does not use any more unless run() is called. Before run().
  void hold_backend_end() { to_client_.hold_end = true; }
  void pass_backend_end() { to_client_.hold_end = false; }

  // Moves what can be moved. `client_ready` and `backend_ready`: masks as the poll gave them, or
  // all bits on the first call. Never blocks; moves at most the budget.
  Status run(unsigned client_ready, unsigned backend_ready);

  // First end wins; how a half-closed session that lingers began to end.
  [[nodiscard]] End first_end() const;
  // True while one direction has ended and the other goes on: the caller limits how long.
  [[nodiscard]] bool half_closed() const;
  // True while bytes wait for a side that does not take them.
  [[nodiscard]] bool stalled() const;
  // How many bytes the directions that are stalled now have delivered: unchanged, nothing moves.
  [[nodiscard]] std::uint64_t stalled_bytes() const;
  [[nodiscard]] std::uint64_t bytes_to_backend() const;
  [[nodiscard]] std::uint64_t bytes_to_client() const;
  // The last that each side got: enough for what a command or a response ends with.
  [[nodiscard]] Tail tail_to_backend() const { return to_backend_.tail_view(); }
  [[nodiscard]] Tail tail_to_client() const { return to_client_.tail_view(); }
  [[nodiscard]] bool switched() const { return to_backend_.switched; }
  // Whether the client's system has everything that was read from the backend.
  [[nodiscard]] bool client_has_all() const { return !to_client_.blocked(); }
  // Whether everything that was read from the client went to the backend's system. Of one that has
  // ended: as it was then.
  [[nodiscard]] bool backend_had_all() const {
    return to_backend_.empty() && !to_backend_.lost_some;
  }
  // "open/open", "eof/open …": for the timeout line.
  [[nodiscard]] std::string_view state_name() const;
  static std::span<const std::string_view> state_names();

 private:
  // Most completions of commands are shorter, and what it costs is copied with each write.
  static constexpr std::size_t kTail = 128;

  // One direction: from a source to a sink.
  struct Pump {
    net::Transport& source;
    net::Transport& sink;
    const End source_closed;  // how an end of the source, or a break of either, is called
    const End source_failed;
    const End sink_failed;
    const bool may_splice;  // neither side has TLS
    net::BufferPool::Buffer buffer{nullptr, net::BufferPool::Deleter{}};
    net::SplicePipes::Pipe pipe{nullptr, net::SplicePipes::Deleter{}};  // instead of the buffer
    std::string prefix{};            // prepended bytes not yet taken by the sink
    std::uint32_t begin = 0;         // first byte of buffer that the sink has not taken
    std::uint32_t end = 0;           // one past the last
    std::uint64_t bytes = 0;         // taken by the sink
    std::uint64_t unseen = 0;        // so many of them at least came before the tail
    std::uint64_t switch_mark = 0;   // see expect_switch(); 0: nothing, which no tail is
    std::array<char, kTail> tail{};  // the last of them, right-aligned
    bool switched = false;
    bool bulk = false;      // the last read brought so much that a pipe pays
    bool may_read = false;  // the poll said so, or the last read filled the buffer
    bool read_wants_write = false;
    bool end_waits = false;     // behind what can be read now
    bool source_ended = false;  // nothing more will come from the source
    bool source_broken = false;
    bool sink_broken = false;   // nothing more can go to the sink
    bool end_passed = false;    // the sink has been told of the source's end
    bool hold_end = false;      // it is not to be told yet
    bool lost_some = false;     // the sink broke before it had everything
    bool hangup_asked = false;  // the poll watches for the source's end while it is not read
    bool hangup_known = false;  // and has reported it: level-triggered, it would do so for ever

    [[nodiscard]] bool empty() const { return begin == end && prefix.empty() && pipe == nullptr; }
    // The sink has not taken everything: until then the source is not read.
    [[nodiscard]] bool blocked() const { return !empty() || sink.unsent() > 0; }
    [[nodiscard]] bool stalled() const { return !sink_broken && blocked(); }
    [[nodiscard]] bool finished() const { return sink_broken || end_passed; }
    [[nodiscard]] Tail tail_view() const {
      const std::size_t known = std::min<std::uint64_t>(bytes - unseen, tail.size());
      return {{tail.data() + tail.size() - known, known}, known == bytes};
    }
  };

  bool run_pump(Pump& pump);
  bool write_out(Pump& pump);
  bool write_prefix(Pump& pump);
  bool write_pipe(Pump& pump);
  static void note_taken(Pump& pump, std::string_view bytes);
  std::size_t read_in(Pump& pump);
  net::IoResult fill_pipe(Pump& pump);
  std::size_t note_read(Pump& pump, const net::IoResult& got);
  [[nodiscard]] bool holds_end(const Pump& pump) const;
  void pass_end(Pump& pump);
  void note_ready(Pump& pump, unsigned ready);
  void break_source(Pump& pump);
  void break_sink(Pump& pump);
  void drop(Pump& pump);
  void note_end(End end);
  void discard_input(net::Transport& transport);
  Pump& opposite(const Pump& pump) { return &pump == &to_client_ ? to_backend_ : to_client_; }
  static unsigned interest(Pump& from, const Pump& to);
  static unsigned state_of_source(const Pump& from, const Pump& to);

  net::BufferPool& buffers_;
  net::SplicePipes& pipes_;
  Pump to_backend_;
  Pump to_client_;
  End first_end_ = End::kNot;
};

}  // namespace headgate::relay
