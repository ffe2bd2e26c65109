#include "load/open_loop.h"

#include "common/clock.h"

namespace headgate::bench {

OpenLoop::OpenLoop(Bench& bench, const Fleet& fleet, double rate)
    : bench_(bench),
      fleet_(fleet),
      interval_ns_(static_cast<std::int64_t>(static_cast<double>(kNsPerSecond) / rate)),
      due_(fleet.size()) {}

void OpenLoop::start() {
  running_ = true;
  next_due_ = now_ns() + interval_ns_;
  bench_.loop.at(next_due_, [this] { next(); });
}

// Everything that is due by now, then waits for the next.
void OpenLoop::next() {
  const std::int64_t now = now_ns();
  for (; running_ && next_due_ <= now; next_due_ += interval_ns_) {
    const std::size_t index = next_session_++ % due_.size();
    due_[index].push_back(next_due_);
    ++outstanding_;
    if (due_[index].size() == 1) {
      fleet_.sessions()[index]->command("NOOP");
    }
  }
  if (running_) {
    bench_.loop.at(next_due_, [this] { next(); });
  }
}

std::int64_t OpenLoop::on_reply(Session& session) {
  auto& due = due_[session.number() - fleet_.sessions().front()->number()];
  const std::int64_t latency = now_ns() - due.front();
  due.pop_front();
  --outstanding_;
  if (!due.empty()) {
    session.command("NOOP");
  }
  return latency;
}

}  // namespace headgate::bench
