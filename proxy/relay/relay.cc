#include "relay/relay.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "net/io_watcher.h"

namespace headgate::relay {
namespace {

using net::kHangup;
using net::kReadable;
using net::kWritable;
using net::Want;

// Bytes a direction may move in one run, by one read too many at most: what others wait for each
// time. The p99 of 1,000 NOOPs a second beside 8 bulk FETCHes (`scripts/bench mixed`) was 0.8 to
// 1.1 ms, and 2.1 with 512 KiB and buffers of 256; bulk cost the same.
constexpr std::size_t kBudget = 96 * 1024;
// And reads: one that brings little may have cost much, see net::kRecordsARead.
constexpr std::size_t kReads = 8;
// What a read must bring for the next one to go through a pipe. With less a copy is cheaper than
// the calls.
constexpr std::size_t kBulk = 64 * 1024;
// Input thrown away at the end, see discard_input().
constexpr int kDiscardReads = 4;
constexpr std::size_t kMark = sizeof(std::uint64_t);

// By how it stands with the client, three of each, then with the backend: state_of_source().
constexpr std::array<std::string_view, 9> kStateNames = {
    "open/open",  "open/eof",    "open/broken", "eof/open",     "eof/eof",
    "eof/broken", "broken/open", "broken/eof",  "broken/broken"};

// Folds more than letters together, which makes a mark no less rare; never 0.
std::uint64_t without_case(const char* bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, kMark);
  return word | 0x2020202020202020U;
}

}  // namespace

Relay::Relay(net::Transport& client, net::Transport& backend, net::BufferPool& buffers,
             net::SplicePipes& pipes)
    : buffers_(buffers),
      pipes_(pipes),
      to_backend_{client, backend, End::kClientClosed, End::kClientFailed, End::kBackendFailed,
                  false},
      to_client_{backend,
                 client,
                 End::kBackendClosed,
                 End::kBackendFailed,
                 End::kClientFailed,
                 !client.is_tls() && !backend.is_tls()} {}

void Relay::prepend_to_backend(std::string_view bytes) {
  to_backend_.prefix.append(bytes);
}

void Relay::prepend_to_client(std::string_view bytes) {
  to_client_.prefix.append(bytes);
}

void Relay::expect_switch(std::string_view last_bytes) {
  to_backend_.switch_mark = last_bytes.size() == kMark ? without_case(last_bytes.data()) : 0;
}

Status Relay::run(unsigned client_ready, unsigned backend_ready) {
  note_ready(to_backend_, client_ready);
  note_ready(to_client_, backend_ready);
  Status status;
  status.again = run_pump(to_client_);
  status.again |= run_pump(to_backend_);
  // The second pump may have found a break that lets the first one go on.
  if (to_client_.may_read && !status.again) {
    status.again = run_pump(to_client_);
  }
  if (to_client_.finished() && to_backend_.finished()) {
    if (to_backend_.sink_broken && !to_client_.sink_broken) {
      discard_input(to_client_.sink);
    }
    return {.end = first_end_, .interest = {}};
  }
  status.backend_ended = to_client_.source_ended && holds_end(to_client_) && !to_client_.blocked();
  status.interest = {interest(to_backend_, to_client_), interest(to_client_, to_backend_)};
  return status;
}

void Relay::note_ready(Pump& pump, unsigned ready) {
  if ((ready & kHangup) != 0 && pump.hangup_asked) {
    pump.hangup_known = true;
    if (pump.source.broken()) {
      break_source(pump);
    } else {
      note_end(pump.source_closed);  // what it sent before is yet to be read
    }
  }
  pump.end_waits = (ready & kHangup) != 0;
  if ((ready & (kReadable | kHangup)) != 0 || (pump.read_wants_write && (ready & kWritable) != 0)) {
    pump.may_read = true;
    pump.read_wants_write = false;
  }
}

// Write what is there; read if there is room. True: stopped at the budget with more to do that no
// poll announces.
bool Relay::run_pump(Pump& pump) {
  std::size_t budget = kBudget;
  for (;;) {
    if (pump.finished() || !write_out(pump)) {
      return false;
    }
    if (pump.source_ended) {
      if (!holds_end(pump)) {
        pass_end(pump);
      }
      return false;
    }
    if (!pump.may_read) {
      return false;
    }
    if (budget == 0) {
      return pump.source.read_pending();
    }
    budget -= std::min(budget, std::max(read_in(pump), kBudget / kReads));
  }
}

// True when the sink has everything, so that there is room.
bool Relay::write_out(Pump& pump) {
  if (pump.sink.unsent() > 0) {
    const Want want = pump.sink.flush().want;
    if (want == Want::kFailed) {
      break_sink(pump);
    }
    if (want != Want::kNone) {
      return false;
    }
  }
  if (!pump.prefix.empty() && !write_prefix(pump)) {
    return false;
  }
  if (pump.pipe != nullptr && !write_pipe(pump)) {
    return false;
  }
  if (pump.begin == pump.end) {
    return true;
  }
  const std::string_view waiting(pump.buffer.get() + pump.begin, pump.end - pump.begin);
  const net::IoResult written = pump.sink.write(waiting, pump.source_ended);
  note_taken(pump, waiting.substr(0, written.bytes));
  pump.begin += static_cast<std::uint32_t>(written.bytes);
  if (pump.begin == pump.end) {
    pump.buffer.reset();
  }
  if (written.want == Want::kFailed) {
    break_sink(pump);
  }
  return written.want == Want::kNone;
}

bool Relay::write_prefix(Pump& pump) {
  const net::IoResult written = pump.sink.write(pump.prefix);
  note_taken(pump, std::string_view(pump.prefix).substr(0, written.bytes));
  if (written.bytes == pump.prefix.size()) {
    std::string().swap(pump.prefix);
  } else {
    pump.prefix.erase(0, written.bytes);
  }
  if (written.want == Want::kFailed) {
    break_sink(pump);
  }
  return written.want == Want::kNone;
}

bool Relay::write_pipe(Pump& pump) {
  const net::IoResult written = pump.sink.splice_from(*pump.pipe);
  pump.bytes += written.bytes;
  pump.unseen = pump.bytes;
  if (written.want == Want::kNone) {
    pump.pipe.reset();
  } else if (written.want == Want::kFailed) {
    break_sink(pump);
  }
  return written.want == Want::kNone;
}

void Relay::note_taken(Pump& pump, std::string_view bytes) {
  pump.bytes += bytes.size();
  char* const tail = pump.tail.data();
  if (bytes.size() >= kTail) {
    std::memcpy(tail, bytes.data() + bytes.size() - kTail, kTail);
  } else {
    std::memmove(tail, tail + bytes.size(), kTail - bytes.size());
    std::memcpy(tail + kTail - bytes.size(), bytes.data(), bytes.size());
  }
  pump.switched |= without_case(tail + kTail - kMark) == pump.switch_mark;
}

inline std::size_t Relay::note_read(Pump& pump, const net::IoResult& got) {
  pump.may_read = got.want == Want::kNone;
  pump.read_wants_write = got.want == Want::kWrite;
  if (got.want == Want::kClosed || (got.want == Want::kFailed && pump.source.truncated())) {
    // Many clients and some servers just drop a TLS connection: an end like any other.
    pump.source_ended = true;
    note_end(pump.source_closed);
  } else if (got.want == Want::kFailed) {
    break_source(pump);
  }
  return got.bytes;
}

// Only when nothing is in flight. Returns the bytes read.
std::size_t Relay::read_in(Pump& pump) {
  if (pump.bulk) {
    pump.pipe = pipes_.take();
    if (pump.pipe != nullptr) {
      return note_read(pump, fill_pipe(pump));
    }
  }
  if (!pump.buffer) {
    pump.buffer = buffers_.take();
  }
  const std::span<char> room(pump.buffer.get(), buffers_.size());
  net::IoResult got = pump.source.read(room);
  if (pump.end_waits && got.want == Want::kRead && got.bytes > 0 && got.bytes < room.size()) {
    // A last BYE and the end behind it: known together, they leave together.
    const net::IoResult rest = pump.source.read(room.subspan(got.bytes));
    got = {got.bytes + rest.bytes, rest.want};
  }
  pump.begin = 0;
  pump.end = static_cast<std::uint32_t>(got.bytes);
  if (got.bytes == 0) {
    pump.buffer.reset();
  }
  if (pump.may_splice) {
    pump.bulk = got.bytes >= std::min(kBulk, buffers_.size());
  }
  return note_read(pump, got);
}

net::IoResult Relay::fill_pipe(Pump& pump) {
  const net::IoResult got = pump.source.splice_into(*pump.pipe);
  if (got.bytes == 0) {
    pump.pipe.reset();
  } else {
    pump.bulk = got.bytes >= kBulk;
  }
  return got;
}

bool Relay::holds_end(const Pump& pump) const {
  return pump.hold_end && !pump.sink_broken && first_end_ != End::kClientClosed &&
         first_end_ != End::kClientFailed;
}

void Relay::pass_end(Pump& pump) {
  const Want want = pump.sink.shutdown_write().want;
  if (want == Want::kFailed) {
    break_sink(pump);
  } else if (want == Want::kNone) {
    pump.end_passed = true;
  }
}

// The source's connection is gone: what was read from it still goes to the sink, what waits for it
// itself is void.
void Relay::break_source(Pump& pump) {
  pump.source_ended = true;
  pump.source_broken = true;
  note_end(pump.source_failed);
  Pump& other = opposite(pump);
  other.lost_some = other.lost_some || other.blocked();
  other.sink_broken = true;
  drop(other);
}

// Nothing can be written to the sink any more, but what it sent before (a last BYE) may still be in
// the kernel: its own pump reads on until it sees the end.
void Relay::break_sink(Pump& pump) {
  pump.sink_broken = true;
  pump.lost_some = true;
  drop(pump);
  note_end(pump.sink_failed);
  opposite(pump).may_read = true;
}

void Relay::drop(Pump& pump) {
  pump.buffer.reset();
  pump.pipe.reset();
  pump.begin = 0;
  pump.end = 0;
  std::string().swap(pump.prefix);
}

void Relay::note_end(End end) {
  if (first_end_ == End::kNot) {
    first_end_ = end;
  }
}

// A socket closed with unread input answers with RST, which can overtake what was just sent to it.
void Relay::discard_input(net::Transport& transport) {
  const net::BufferPool::Buffer buffer = buffers_.take();
  for (int i = 0; i < kDiscardReads; ++i) {
    if (transport.read({buffer.get(), buffers_.size()}).want != Want::kNone) {
      return;
    }
  }
}

// For the connection that `from` reads and `to` writes.
unsigned Relay::interest(Pump& from, const Pump& to) {
  unsigned mask = 0;
  from.hangup_asked = false;
  if (!from.source_ended && !from.sink_broken) {
    if (!from.blocked()) {
      mask |= kReadable;
    } else if (!from.hangup_known) {
      mask |= kHangup;
      from.hangup_asked = true;
    }
  }
  const bool has_end_to_pass = to.source_ended && !to.end_passed;
  if (!to.sink_broken && (to.blocked() || has_end_to_pass)) {
    mask |= kWritable;
  }
  if (from.read_wants_write) {
    mask |= kWritable;
  }
  return mask;
}

End Relay::first_end() const {
  return first_end_;
}

bool Relay::half_closed() const {
  return first_end_ != End::kNot && !(to_client_.finished() && to_backend_.finished());
}

bool Relay::stalled() const {
  return to_client_.stalled() || to_backend_.stalled();
}

std::uint64_t Relay::stalled_bytes() const {
  return (to_client_.stalled() ? to_client_.bytes : 0) +
         (to_backend_.stalled() ? to_backend_.bytes : 0);
}

std::uint64_t Relay::bytes_to_backend() const {
  return to_backend_.bytes;
}

std::uint64_t Relay::bytes_to_client() const {
  return to_client_.bytes;
}

unsigned Relay::state_of_source(const Pump& from, const Pump& to) {
  constexpr unsigned kOpen = 0;
  constexpr unsigned kEof = 1;
  constexpr unsigned kBroken = 2;
  if (from.source_broken || to.sink_broken) {
    return kBroken;
  }
  return from.source_ended || from.hangup_known ? kEof : kOpen;
}

std::string_view Relay::state_name() const {
  return kStateNames[(3 * state_of_source(to_backend_, to_client_)) +
                     state_of_source(to_client_, to_backend_)];
}

std::span<const std::string_view> Relay::state_names() {
  return kStateNames;
}

}  // namespace headgate::relay
