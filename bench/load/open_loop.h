#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "load/bench.h"
#include "load/fleet.h"
#include "load/histogram.h"

namespace headgate::bench {

// NOOPs at a fixed rate, spread over a fleet in turn. A NOOP whose session still waits for the one
// before is sent when that is answered, and its latency counts from when it was due: a stall of the
// proxy shows in every NOOP that fell into it, not in one (no coordinated omission).
class OpenLoop {
 public:
  // `rate`: NOOPs a second over all sessions.
  OpenLoop(Bench& bench, const Fleet& fleet, double rate);

  void start();
  void stop() { running_ = false; }
  // To be called for each reply of a session of the fleet; returns the latency in nanoseconds.
  std::int64_t on_reply(Session& session);
  // NOOPs that were due and are not answered.
  [[nodiscard]] std::size_t outstanding() const { return outstanding_; }

 private:
  void next();

  Bench& bench_;
  const Fleet& fleet_;
  std::int64_t interval_ns_;
  std::int64_t next_due_ = 0;
  std::size_t next_session_ = 0;
  std::size_t outstanding_ = 0;
  bool running_ = false;
  std::vector<std::deque<std::int64_t>> due_;  // by session, the first is under way
};

}  // namespace headgate::bench
